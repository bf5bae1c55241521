"""Stamps and signatures. HMAC-SHA256 and Ed25519; the form of the secret tells which.

Rule 1: no error and no representation shows any part of a secret.

REST: the parameters are percent-encoded first, and the encoded string is signed, exactly as it is sent. WebSocket API:
all parameters but the signature, sorted by name, are signed as raw UTF-8, not encoded.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import quote

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from openoutcry.exchanges.dialect import Credentials, UnusableCredentials
from openoutcry.messages.rest import RestRequest, Security, SignedRequest

KEY_HEADER: Final = "X-MBX-APIKEY"
STREAM_LOGIN: Final = "userDataStream.subscribe.signature"

_PEM: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_IS_PLAIN_QUERY: Final = re.compile(r"[A-Za-z0-9._~=&-]*").fullmatch

_HOW_TO_MEND: Final = (
    "give the secret of an HMAC key, or the whole PEM of an Ed25519 private key in PKCS#8 form "
    "(-----BEGIN PRIVATE KEY-----)"
)


class Signer:
    """Signs with one secret. Made once a secret: reading a PEM costs far more than a signature."""

    __slots__ = ("_sign",)

    def __init__(self, secret: str) -> None:
        self._sign: Callable[[bytes], str] = _ed25519(secret) if "-----BEGIN" in secret else _hmac(secret)

    def sign(self, payload: str) -> str:
        """The signature: hexadecimal for HMAC, base64 for Ed25519, not percent-encoded."""
        return self._sign(payload.encode())


def _hmac(secret: str) -> Callable[[bytes], str]:
    key = secret.strip().encode("utf-8", "surrogatepass")
    if not key:
        raise UnusableCredentials(f"the API secret is empty; {_HOW_TO_MEND}")
    keyed = hmac.new(key, digestmod=hashlib.sha256)

    def sign(payload: bytes) -> str:
        state = keyed.copy()
        state.update(payload)
        return state.hexdigest()

    return sign


def _ed25519(secret: str) -> Callable[[bytes], str]:
    # A PEM out of an environment variable has often lost its line breaks, or has them as backslash and n.
    found = _PEM.search(secret.replace("\\r", "").replace("\\n", "\n"))
    if found is None:
        raise UnusableCredentials(f"the API secret begins as a PEM and does not end as one; {_HOW_TO_MEND}")
    label, body = found.groups()
    if label != "PRIVATE KEY":
        raise UnusableCredentials(f"the API secret is a PEM of a kind that cannot be used here; {_HOW_TO_MEND}")
    try:
        key = load_der_private_key(base64.b64decode("".join(body.split()), validate=True), password=None)
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm):
        # The cause is left out: it may quote the key.
        raise UnusableCredentials(f"the API secret is a damaged PEM; {_HOW_TO_MEND}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableCredentials(f"the API secret is a private key, but not of Ed25519; {_HOW_TO_MEND}")
    private_key = key

    def sign(payload: bytes) -> str:
        return base64.b64encode(private_key.sign(payload)).decode()

    return sign


@lru_cache(maxsize=16)
def signer_of(secret: str) -> Signer:
    """The signer of a secret, made at its first use.

    Raises:
        UnusableCredentials: the secret is of no form that can sign.
    """
    return Signer(secret)


def encode_query(parameters: Sequence[tuple[str, str]]) -> str:
    """`symbol=BTCUSDT&side=BUY`, percent-encoded as UTF-8."""
    query = "&".join(map("=".join, parameters))
    # Mostly nothing needs encoding: one look at the whole is faster than one at each value. A separator within a value
    # shows in the count.
    if _IS_PLAIN_QUERY(query) and query.count("=") == len(parameters) == query.count("&") + 1:
        return query
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters)


def sign_request(
    request: RestRequest, credentials: Credentials | None, timestamp_ms: int, receive_window_ms: int
) -> SignedRequest:
    """All parameters go into the query, whatever the method: there is one place where they can be."""
    query = encode_query(request.parameters)
    headers: tuple[tuple[str, str], ...] = ()
    if request.security is not Security.PUBLIC:
        if credentials is None:
            raise UnusableCredentials(f"{request.method} {request.path} needs an API key and secret")
        headers = ((KEY_HEADER, checked_key(credentials)),)
        if request.security is Security.SIGNED:
            stamp = f"recvWindow={receive_window_ms}&timestamp={timestamp_ms}"
            query = f"{query}&{stamp}" if query else stamp
            signature = signer_of(credentials.api_secret).sign(query)
            query = f"{query}&signature={signature if signature.isalnum() else quote(signature, safe='')}"
    return SignedRequest(
        method=request.method, path_and_query=f"{request.path}?{query}" if query else request.path, headers=headers
    )


def sign_ws_parameters(parameters: dict[str, str | int], credentials: Credentials) -> dict[str, str | int]:
    """The parameters of a WebSocket API call, with the key and the signature."""
    signed: dict[str, str | int] = {**parameters, "apiKey": checked_key(credentials)}
    payload = "&".join(f"{name}={signed[name]}" for name in sorted(signed))
    signed["signature"] = signer_of(credentials.api_secret).sign(payload)
    return signed


def stream_login(request_id: str, credentials: Credentials, timestamp_ms: int) -> str:
    """The frame that subscribes to the account's events, for either kind of key."""
    parameters = sign_ws_parameters({"timestamp": timestamp_ms}, credentials)
    return msgspec.json.encode({"id": request_id, "method": STREAM_LOGIN, "params": parameters}).decode()


def checked_key(credentials: Credentials) -> str:
    """The API key as it may stand in a header.

    Raises:
        UnusableCredentials: it is empty, or holds what no key holds.
    """
    key = credentials.api_key.strip()
    if not key.isascii() or not key.isprintable() or " " in key or not key:
        raise UnusableCredentials("the API key is empty, or has spaces or other characters that no key has")
    return key
