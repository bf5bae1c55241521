"""What errors mean, and what the headers say."""

import json

import pytest
from binance_samples import BINANCE
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.exchanges.dialect import RateUsage
from openoutcry.messages.rest import ErrorKind, ExchangeError


def classify(status: int, code: int, message: str = "", **headers: str) -> ExchangeError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    error = BINANCE.classify(status, named, json.dumps({"code": code, "msg": message}).encode())
    assert error is not None
    return error


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (500, -1000, "An unknown error occurred while processing the request.", ErrorKind.OUTCOME_UNKNOWN),
        (400, -1001, "Internal error; unable to process your request.", ErrorKind.OUTCOME_UNKNOWN),
        (400, -1006, "An unexpected response was received.", ErrorKind.OUTCOME_UNKNOWN),
        (504, -1007, "Timeout waiting for response from backend server.", ErrorKind.OUTCOME_UNKNOWN),
        (503, -1008, "Server is currently overloaded with other requests.", ErrorKind.BUSY),
        (401, -1002, "You are not authorized to execute this request.", ErrorKind.BAD_KEY),
        (429, -1003, "Too much request weight used", ErrorKind.RATE_LIMITED),
        (418, -1003, "Way too much request weight used; IP banned until 1659146400000.", ErrorKind.BANNED),
        (400, -1003, "Way too much request weight used; IP banned until 1659146400000.", ErrorKind.BANNED),
        (429, -1015, "Too many new orders.", ErrorKind.RATE_LIMITED),
        (400, -1015, "Too many new orders.", ErrorKind.RATE_LIMITED),
        (400, -1013, "Filter failure: LOT_SIZE", ErrorKind.FILTER),
        (400, -1013, "Market is closed.", ErrorKind.MARKET_CLOSED),
        (400, -1111, "Parameter 'quantity' has too much precision.", ErrorKind.FILTER),
        (400, -1016, "This service is no longer available.", ErrorKind.MAINTENANCE),
        (400, -1021, "Timestamp for this request is outside of the recvWindow.", ErrorKind.CLOCK_SKEW),
        (400, -1022, "Signature for this request is not valid.", ErrorKind.BAD_SIGNATURE),
        (400, -1100, "Illegal characters found in parameter 'newClientOrderId'", ErrorKind.MALFORMED),
        (400, -1102, "Mandatory parameter 'side' was not sent", ErrorKind.MALFORMED),
        (400, -1121, "Invalid symbol.", ErrorKind.UNKNOWN_SYMBOL),
        (400, -2010, "Account has insufficient balance for requested action.", ErrorKind.INSUFFICIENT_BALANCE),
        (400, -2010, "Duplicate order sent.", ErrorKind.DUPLICATE_ORDER),
        (400, -2010, "Order would immediately match and take.", ErrorKind.WOULD_TAKE),
        (400, -2010, "Market is closed.", ErrorKind.MARKET_CLOSED),
        (400, -2010, "This symbol is not permitted for this account.", ErrorKind.BAD_KEY),
        (400, -2010, "Market orders are not supported for this symbol.", ErrorKind.FILTER),
        (400, -2010, "Something that nobody has heard yet.", ErrorKind.OTHER),
        (400, -2011, "Unknown order sent.", ErrorKind.UNKNOWN_ORDER),
        (400, -2011, "Order was not canceled due to cancel restrictions.", ErrorKind.OTHER),
        (400, -2013, "Order does not exist.", ErrorKind.UNKNOWN_ORDER),
        (400, -2026, "Order was canceled or expired with no executed qty over 90 days ago", ErrorKind.UNKNOWN_ORDER),
        (401, -2014, "API-key format invalid.", ErrorKind.BAD_KEY),
        (401, -2015, "Invalid API-key, IP, or permissions for action.", ErrorKind.BAD_KEY),
        (409, -2021, "Order cancel-replace partially failed.", ErrorKind.OTHER),
        (400, -9999, "A code of tomorrow.", ErrorKind.OTHER),
        (502, -9999, "A code of tomorrow.", ErrorKind.OUTCOME_UNKNOWN),
    ],
)
def test_a_code_has_its_meaning(status: int, code: int, message: str, kind: ErrorKind) -> None:
    error = classify(status, code, message)
    assert (error.kind, error.code, error.message) == (kind, str(code), message)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (503, b"Unknown error, please check your request or try again later.", ErrorKind.OUTCOME_UNKNOWN),
        (500, b"", ErrorKind.OUTCOME_UNKNOWN),
        (502, b"<html><head><title>502 Bad Gateway</title></head></html>", ErrorKind.OUTCOME_UNKNOWN),
        (503, b"<html><title>System Maintenance</title></html>", ErrorKind.OUTCOME_UNKNOWN),
        (408, b"", ErrorKind.OUTCOME_UNKNOWN),
        (403, b"<html><head><title>ERROR: The request could not be satisfied</title></html>", ErrorKind.RATE_LIMITED),
        (429, b"", ErrorKind.RATE_LIMITED),
        (418, b"I am a teapot", ErrorKind.BANNED),
        (401, b"", ErrorKind.BAD_KEY),
        (404, b"<html>Not found</html>", ErrorKind.MALFORMED),
        (302, b"<html><title>Under maintenance</title></html>", ErrorKind.MAINTENANCE),
        (400, b"\xff\xfe[", ErrorKind.OTHER),
        (400, b'{"code":"x"}', ErrorKind.OTHER),
    ],
)
def test_without_a_code_the_http_status_speaks(status: int, body: bytes, kind: ErrorKind) -> None:
    error = BINANCE.classify(status, {}, body)
    assert error is not None
    assert error.kind is kind
    assert error.code == f"HTTP {status}"
    assert error.message


def test_how_long_to_wait_is_told_for_limits_bans_and_the_firewall() -> None:
    assert classify(429, -1003, retry_after="12").retry_after_s == 12
    assert classify(418, -1003, retry_after="7200").retry_after_s == 7200
    assert classify(400, -1121, retry_after="12").retry_after_s is None
    blocked = BINANCE.classify(403, {}, b"<html>")
    assert blocked is not None
    assert blocked.retry_after_s is not None


def test_a_page_is_shown_by_its_title_and_never_whole() -> None:
    error = BINANCE.classify(502, {}, b"<html><head><title>502\n Bad Gateway</title></head>" + b"x" * 99_999)
    assert error is not None
    assert error.message == "502 Bad Gateway"
    long = BINANCE.classify(500, {}, b"y" * 99_999)
    assert long is not None
    assert len(long.message) < 400


@given(
    st.integers(0, 999),
    st.dictionaries(st.sampled_from(["retry-after", "x-mbx-used-weight-1m", "x-mbx-order-count-10s"]), st.text()),
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda code, msg: json.dumps({"code": code, "msg": msg}).encode(),
            st.one_of(st.integers(-3000, 0), st.text(), st.none(), st.floats()),
            st.one_of(st.text(), st.none(), st.integers()),
        ),
    ),
)
def test_every_answer_has_a_meaning(status: int, headers: dict[str, str], body: bytes) -> None:
    error = BINANCE.classify(status, headers, body)
    assert (error is None) == (200 <= status < 300)
    if error is not None and status >= 500 and not body.startswith(b"{"):
        assert error.kind is ErrorKind.OUTCOME_UNKNOWN
    BINANCE.rate_usage(headers)


def test_headers_correct_the_budgets() -> None:
    headers = {
        "content-type": "application/json",
        "x-mbx-uuid": "1",
        "x-mbx-used-weight": "9",
        "x-mbx-used-weight-1m": "1234",
        "x-mbx-order-count-10s": "3",
        "x-mbx-order-count-1d": "77",
        "retry-after": "5",
    }
    assert BINANCE.rate_usage(headers) == RateUsage(
        used=(("REQUEST_WEIGHT", 1234), ("ORDERS_10S", 3), ("ORDERS_1D", 77)), retry_after_s=5.0
    )
    assert BINANCE.rate_usage({"x-mbx-used-weight-1m": "²", "retry-after": "soon"}) == RateUsage()
