"""The documents' own known answers, and how REST and the WebSocket API read a signature."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from openoutcry.emulator.binance.auth import ApiKey, hmac_key, public_key, rest_payload, ws_payload

OFFICIAL = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
OFFICIAL_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
INVENTED = "sEmuSpotSecret0001"

REST_ANSWERS = [
    (
        OFFICIAL,
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
        "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
    ),
    (
        OFFICIAL,
        (
            "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT&timeInForce=GTC"
            "&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
        ),
        "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    ),
    (
        INVENTED,
        (
            "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01000000&price=25000.10"
            "&newClientOrderId=hb-1_abc&recvWindow=5000&timestamp=1767225600000"
        ),
        "109c10327cde8138aed62eee5fa30592dd7970c809e4440bd8a5123355c64fdc",
    ),
    (
        INVENTED,
        "symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT&timestamp=1767225600000",
        "60ce77fc16c15b982a841586a0c945b5ddcb05d884cd30787c21965a3926b682",
    ),
]
WS_ANSWERS: list[tuple[str, dict[str, Any], str]] = [
    (
        OFFICIAL,
        {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.01000000",
            "price": "52000.00",
            "recvWindow": 100,
            "timestamp": 1645423376532,
            "apiKey": OFFICIAL_KEY,
        },
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    ),
    (
        OFFICIAL,
        {
            "symbol": "１２３４５６",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "1.00000000",
            "price": "0.10000000",
            "recvWindow": 5000,
            "timestamp": 1645423376532,
            "apiKey": OFFICIAL_KEY,
        },
        "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
    ),
    (
        INVENTED,
        {"apiKey": "kEmuSpotKey0001", "timestamp": 1767225600000},
        "d57664b8ea89250d169f2bcd041c5a073bf069cf35c6ae3f0ad706b40480d101",
    ),
]


@pytest.mark.parametrize(("secret", "payload", "signature"), REST_ANSWERS)
def test_the_known_rest_answers_are_accepted(secret: str, payload: str, signature: str) -> None:
    key = hmac_key("k", secret, "a")
    assert key.signed(rest_payload(f"{payload}&signature={signature}", ""), signature)
    assert key.signed(rest_payload("", f"signature={signature}&{payload}"), signature.upper())
    assert not key.signed(rest_payload(f"{payload}0", ""), signature)


@pytest.mark.parametrize(("secret", "params", "signature"), WS_ANSWERS)
def test_the_known_websocket_answers_are_accepted(secret: str, params: dict[str, Any], signature: str) -> None:
    key = hmac_key("k", secret, "a")
    assert key.signed(ws_payload({"signature": signature, **params}), signature)
    assert not key.signed(ws_payload(params | {"timestamp": 1}), signature)


def ed25519_key() -> ApiKey:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return public_key("k", private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "a")


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (
            (
                "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2&timestamp=1668481559918"
                "&recvWindow=5000"
            ),
            "m5loLRxgkb9HyW0wkZ4KNrpck881bx5D0OrKNnPklvk4tlGjEJkhiP9DoyC0sc1lXA/TWugjVPrMb/bfNdmdBw==",
        ),
        (
            "apiKey=kEmuEdKey0001&timestamp=1767225600000",
            "uF08xB71JDi3KMMf0At3hETHLBv6saZ6DX8Ff4JKA2YDmOMbAoqnTlxuoBXVU6DQG/2b/H0or3p0jjoA0MysDQ==",
        ),
    ],
)
def test_the_known_ed25519_answers_are_accepted(payload: str, signature: str) -> None:
    assert ed25519_key().signed(payload.encode(), signature)
    assert not ed25519_key().signed(payload.encode(), signature.swapcase())
    assert not ed25519_key().signed(payload.encode(), "no base64 at all")


def test_rsa_keys_sign_too() -> None:
    private = rsa.generate_private_key(65537, 2048)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature = base64.b64encode(private.sign(b"timestamp=1", padding.PKCS1v15(), SHA256())).decode()
    assert public_key("k", pem, "a").signed(b"timestamp=1", signature)
    assert not public_key("k", pem, "a").signed(b"timestamp=2", signature)


def test_query_and_body_are_signed_without_a_separator() -> None:
    assert rest_payload("symbol=LTCBTC&side=BUY", "price=0.1&signature=abc") == b"symbol=LTCBTC&side=BUYprice=0.1"


def test_a_secret_never_shows_in_a_repr() -> None:
    assert "hidden" not in repr(hmac_key("k", "hidden", "a"))
