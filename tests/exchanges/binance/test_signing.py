"""Signatures against the exchange's published examples, and what may never be shown."""

import base64
import json
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from binance_samples import BINANCE, a_rule, an_order
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.exchanges.binance.signing import Signer, encode_query, sign_ws_parameters, stream_login
from openoutcry.exchanges.dialect import Credentials, UnusableCredentials
from openoutcry.messages.rest import RestRequest, Security

OFFICIAL_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
OFFICIAL_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
INVENTED_SECRET = "sEmuSpotSecret0001"
PEM_BODY = base64.b64encode(bytes.fromhex("302e020100300506032b657004220420") + bytes(range(32))).decode()
PEM = f"-----BEGIN PRIVATE KEY-----\n{PEM_BODY}\n-----END PRIVATE KEY-----\n"
OFFICIAL = Credentials(api_key=OFFICIAL_KEY, api_secret=OFFICIAL_SECRET)

ORDER = "side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"


@pytest.mark.parametrize(
    ("secret", "payload", "signature"),
    [
        (
            OFFICIAL_SECRET,
            f"symbol=LTCBTC&{ORDER}",
            "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
        ),
        (
            OFFICIAL_SECRET,
            f"symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&{ORDER}",
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
        (
            INVENTED_SECRET,
            (
                "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01000000&price=25000.10"
                "&newClientOrderId=hb-1_abc&recvWindow=5000&timestamp=1767225600000"
            ),
            "109c10327cde8138aed62eee5fa30592dd7970c809e4440bd8a5123355c64fdc",
        ),
        (
            INVENTED_SECRET,
            "symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT&timestamp=1767225600000",
            "60ce77fc16c15b982a841586a0c945b5ddcb05d884cd30787c21965a3926b682",
        ),
        (
            PEM,
            (
                "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2"
                "&timestamp=1668481559918&recvWindow=5000"
            ),
            "m5loLRxgkb9HyW0wkZ4KNrpck881bx5D0OrKNnPklvk4tlGjEJkhiP9DoyC0sc1lXA/TWugjVPrMb/bfNdmdBw==",
        ),
        (
            PEM,
            "apiKey=kEmuEdKey0001&timestamp=1767225600000",
            "uF08xB71JDi3KMMf0At3hETHLBv6saZ6DX8Ff4JKA2YDmOMbAoqnTlxuoBXVU6DQG/2b/H0or3p0jjoA0MysDQ==",
        ),
    ],
)
def test_a_payload_is_signed_as_published(secret: str, payload: str, signature: str) -> None:
    assert Signer(secret).sign(payload) == signature


@pytest.mark.parametrize(
    ("parameters", "signature"),
    [
        (
            {
                "symbol": "BTCUSDT",
                "side": "SELL",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": "0.01000000",
                "price": "52000.00",
                "recvWindow": 100,
                "timestamp": 1645423376532,
            },
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
        ),
        (
            {
                "symbol": "１２３４５６",
                "side": "BUY",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": "1.00000000",
                "price": "0.10000000",
                "recvWindow": 5000,
                "timestamp": 1645423376532,
            },
            "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
        ),
    ],
)
def test_a_websocket_call_is_signed_sorted_and_unencoded(parameters: dict[str, str | int], signature: str) -> None:
    assert sign_ws_parameters(parameters, OFFICIAL) == {
        **parameters,
        "apiKey": OFFICIAL_KEY,
        "signature": signature,
    }


def test_the_user_stream_is_opened_with_either_kind_of_key() -> None:
    by_hmac = json.loads(
        stream_login("u1", Credentials(api_key="kEmuSpotKey0001", api_secret=INVENTED_SECRET), 1767225600000)
    )
    assert by_hmac == {
        "id": "u1",
        "method": "userDataStream.subscribe.signature",
        "params": {
            "apiKey": "kEmuSpotKey0001",
            "timestamp": 1767225600000,
            "signature": "d57664b8ea89250d169f2bcd041c5a073bf069cf35c6ae3f0ad706b40480d101",
        },
    }
    by_ed25519 = json.loads(stream_login("u2", Credentials(api_key="kEmuEdKey0001", api_secret=PEM), 1767225600000))
    assert by_ed25519["params"]["signature"] == (
        "uF08xB71JDi3KMMf0At3hETHLBv6saZ6DX8Ff4JKA2YDmOMbAoqnTlxuoBXVU6DQG/2b/H0or3p0jjoA0MysDQ=="
    )


@pytest.mark.parametrize("symbol", ["LTCBTC", "１２３４５６"])
def test_a_request_is_encoded_first_and_then_signed_as_it_is_sent(symbol: str) -> None:
    request = RestRequest(
        method="POST",
        path="/api/v3/order",
        parameters=(
            ("symbol", symbol),
            ("side", "BUY"),
            ("type", "LIMIT"),
            ("timeInForce", "GTC"),
            ("quantity", "1"),
            ("price", "0.1"),
        ),
        security=Security.SIGNED,
    )
    signed = BINANCE.sign(request, OFFICIAL, 1499827319559)
    path, query = signed.path_and_query.split("?")
    assert path == "/api/v3/order"
    payload, signature = query.split("&signature=")
    assert (
        signature
        == {
            "LTCBTC": "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
            "１２３４５６": "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        }[symbol]
    )
    assert payload.isascii()
    assert dict(signed.headers) == {"X-MBX-APIKEY": OFFICIAL_KEY}


def test_an_ed25519_signature_is_percent_encoded_in_a_query() -> None:
    credentials = Credentials(api_key="k", api_secret=PEM)
    query = BINANCE.sign(BINANCE.build_balances(), credentials, 1).path_and_query.split("?")[1]
    payload, signature = query.split("&signature=")
    assert not set(signature) & set("+/=")
    assert unquote(signature) == Signer(PEM).sign(payload)


@pytest.mark.parametrize(
    "secret",
    [
        PEM,
        PEM.replace("\n", "\\n"),
        PEM.replace("\n", ""),
        PEM.replace("\n", " "),
        PEM.replace("\n", "\r\n"),
        f"  {PEM}  ",
    ],
)
def test_a_pem_is_read_however_its_line_breaks_were_kept(secret: str) -> None:
    assert Signer(secret).sign("x") == Signer(PEM).sign("x")


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "   ",
        PEM[:60],
        PEM.replace("PRIVATE", "RSA PRIVATE"),
        PEM.replace("PRIVATE", "ENCRYPTED PRIVATE"),
        PEM.replace("MC4C", "MC4D"),
        PEM.replace("HR4f", "!!!!"),
        "-----BEGIN PRIVATE KEY-----\n\n-----END PRIVATE KEY-----",
    ],
)
def test_a_secret_that_cannot_sign_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(UnusableCredentials) as caught:
        BINANCE.sign_stream_login("u1", Credentials(api_key="k", api_secret=secret), 1)
    assert PEM_BODY[20:30] not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "Ed25519" in str(caught.value)


@pytest.mark.parametrize("key", ["", "a b", "a\r\nHost: elsewhere", "schlüssel"])
def test_a_key_that_cannot_stand_in_a_header_is_refused(key: str) -> None:
    with pytest.raises(UnusableCredentials):
        BINANCE.sign(BINANCE.build_balances(), Credentials(api_key=key, api_secret="s"), 1)


def test_a_signed_request_without_credentials_is_refused_and_a_public_one_is_not() -> None:
    with pytest.raises(UnusableCredentials):
        BINANCE.sign(BINANCE.build_balances(), None, 1)
    assert BINANCE.sign(BINANCE.build_server_time(), None, 1).path_and_query == "/api/v3/time"
    assert BINANCE.sign(BINANCE.build_server_time(), OFFICIAL, 1).headers == ()


def test_nothing_secret_is_in_a_representation() -> None:
    signed = BINANCE.sign(BINANCE.build_place_order(an_order()), OFFICIAL, 1)
    signature = signed.path_and_query.split("signature=")[1]
    for shown in (repr(signed), repr(OFFICIAL), repr(Signer(OFFICIAL_SECRET)), repr(Signer(PEM))):
        for secret in (OFFICIAL_KEY, OFFICIAL_SECRET, signature, PEM_BODY):
            assert secret not in shown


@given(st.lists(st.tuples(st.text("abcXYZ", min_size=1), st.text(st.characters(codec="utf-8"))), max_size=6))
def test_encoded_parameters_are_read_back_as_they_were(parameters: list[tuple[str, str]]) -> None:
    query = encode_query(parameters)
    assert query.isascii()
    assert parse_qsl(urlsplit(f"https://x/?{query}").query, keep_blank_values=True) == parameters


def test_a_symbol_in_chinese_reaches_the_query_and_the_stream() -> None:
    rule = a_rule("币安人生USDT", "币安人生")
    signed = BINANCE.sign(BINANCE.build_book_snapshot(rule), None, 1)
    assert parse_qsl(signed.path_and_query.split("?")[1])[0] == ("symbol", "币安人生USDT")
    assert "币安人生usdt@depth@100ms" in json.loads(BINANCE.subscribe_frames([rule], 1)[0])["params"]
