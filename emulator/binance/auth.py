"""Who sent a request: API keys, signatures and the time window.

Source: Binance spot documents, "Request security". The payload is checked exactly as it was sent.
"""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from openoutcry.emulator.binance.errors import (
    WireError,
    bad_key_format,
    bad_signature,
    illegal_characters,
    missing,
    unknown_key,
)

_KEY_FORMAT: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MICROSECONDS_FROM: Final = 10**15
"""A timestamp this large is taken as microseconds: in milliseconds it would lie in the year 33658."""
_MAXIMUM_RECEIVE_WINDOW_MS: Final = 60_000
_DEFAULT_RECEIVE_WINDOW_MS: Final = 5_000.0
_WINDOW_FORMAT: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,3})?")


class Permission(StrEnum):
    """What an API key may do."""

    READ = "READ"
    TRADE = "TRADE"


class KeyKind(StrEnum):
    """How an API key signs."""

    HMAC = "HMAC"
    ED25519 = "ED25519"
    RSA = "RSA"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A registered API key. The secret never shows in a repr."""

    key: str
    account_id: str
    kind: KeyKind
    permissions: frozenset[Permission]
    secret: bytes = field(default=b"", repr=False)
    """HMAC only: the shared secret."""
    ed25519: Ed25519PublicKey | None = field(default=None, repr=False)
    rsa: RSAPublicKey | None = field(default=None, repr=False)

    def signed(self, payload: bytes, signature: str) -> bool:
        """Whether `signature` (as decoded from its parameter) is this key's for exactly these bytes."""
        if self.kind is KeyKind.HMAC:
            expected = hmac.digest(self.secret, payload, "sha256").hex()
            return hmac.compare_digest(expected.encode(), signature.lower().encode("utf-8", "replace"))
        try:
            raw = base64.b64decode(signature, validate=True)
            if self.ed25519 is not None:
                self.ed25519.verify(raw, payload)
                return True
            if self.rsa is not None:
                self.rsa.verify(raw, payload, padding.PKCS1v15(), hashes.SHA256())
                return True
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return False


ALL_PERMISSIONS: Final = frozenset(Permission)


def hmac_key(key: str, secret: str, account_id: str, permissions: frozenset[Permission] = ALL_PERMISSIONS) -> ApiKey:
    """An API key with a shared secret."""
    return ApiKey(key, account_id, KeyKind.HMAC, permissions, secret=secret.encode())


def public_key(key: str, pem: bytes, account_id: str, permissions: frozenset[Permission] = ALL_PERMISSIONS) -> ApiKey:
    """An API key of which the exchange knows the public half only (Ed25519 or RSA, PEM).

    Raises:
        ValueError: the PEM holds another kind of key.
    """
    loaded = load_pem_public_key(pem)
    if isinstance(loaded, Ed25519PublicKey):
        return ApiKey(key, account_id, KeyKind.ED25519, permissions, ed25519=loaded)
    if isinstance(loaded, RSAPublicKey):
        return ApiKey(key, account_id, KeyKind.RSA, permissions, rsa=loaded)
    raise ValueError(f"an API key must be Ed25519 or RSA, this one is {type(loaded).__name__}")


class KeyRing:
    """The API keys an exchange knows."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}

    def add(self, key: ApiKey) -> None:
        """Register a key; one of the same name is replaced."""
        self._keys[key.key] = key

    def remove(self, key: str) -> None:
        """Revoke a key. Requests with it then answer -2015."""
        self._keys.pop(key, None)

    def find(self, key: str | None, permission: Permission) -> ApiKey:
        """The key of that name.

        Raises:
            WireError: -2014 if it can't be a key, -2015 if it is unknown or lacks the permission.
        """
        if not key or not _KEY_FORMAT.fullmatch(key):
            raise bad_key_format()
        found = self._keys.get(key)
        if found is None or permission not in found.permissions:
            raise unknown_key()
        return found


def check_time_window(timestamp: str | None, receive_window: str | None, now_ms: int) -> None:
    """Apply `timestamp < serverTime + 1000 and serverTime - timestamp <= recvWindow`.

    Raises:
        WireError: -1102 or -1100 for what is no time, -1131 for a window above 60000 ms, -1021 outside of it.
    """
    if timestamp is None or timestamp == "":
        raise missing("timestamp")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 20):
        raise illegal_characters("timestamp", "^[0-9]{1,20}$")
    sent = int(timestamp)
    sent_ms = sent / 1000 if sent >= _MICROSECONDS_FROM else float(sent)
    window = _DEFAULT_RECEIVE_WINDOW_MS
    if receive_window is not None:
        if not _WINDOW_FORMAT.fullmatch(receive_window):
            raise illegal_characters("recvWindow", "^[0-9]{1,20}(\\.[0-9]{1,3})?$")
        window = float(receive_window)
        if window > _MAXIMUM_RECEIVE_WINDOW_MS:
            raise WireError(-1131, "recvWindow must be less than 60000.")
    if sent_ms >= now_ms + 1000:
        raise WireError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - sent_ms > window:
        raise WireError(-1021, "Timestamp for this request is outside of the recvWindow.")


def rest_payload(query: str, body: str) -> bytes:
    """What a REST signature signs: query and body as sent, without a separator and without `signature`."""
    return (_without_signature(query) + _without_signature(body)).encode("utf-8", "replace")


def _without_signature(text: str) -> str:
    if "signature=" not in text:
        return text
    start = text.rfind("&signature=")
    if start > 0 and text.find("&", start + 1) < 0 and not text.startswith("signature="):
        text = text[:start]  # where nearly all clients put it; what is left is looked at again
        if "signature=" not in text:
            return text
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))


def ws_payload(parameters: dict[str, object]) -> bytes:
    """What a WebSocket API signature signs: all parameters but `signature`, sorted by name, as raw UTF-8."""
    return "&".join(
        f"{name}={_as_text(value)}" for name, value in sorted(parameters.items()) if name != "signature"
    ).encode("utf-8", "replace")


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def check_signature(key: ApiKey, payload: bytes, signature: str | None) -> None:
    """Hold a signature against the payload.

    Raises:
        WireError: -1102 without a signature, -1022 if it is not this key's.
    """
    if not signature:
        raise missing("signature")
    if not key.signed(payload, signature):
        raise bad_signature()
