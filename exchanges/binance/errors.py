"""What the exchange's errors mean for what is safe to do next. (errors.md of Binance's documents.)"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from openoutcry.exchanges.binance.limits import retry_after_s
from openoutcry.exchanges.binance.wire import DECODING_ERRORS
from openoutcry.messages.rest import ErrorKind, ExchangeError

BLOCKED_S: Final = 60.0
"""Wait after a 403 of the firewall, which does not say how long. A guess of ours, on the careful side."""

_LONGEST_MESSAGE: Final = 300

_KIND_BY_CODE: Final = {
    -1000: ErrorKind.OUTCOME_UNKNOWN,
    -1001: ErrorKind.OUTCOME_UNKNOWN,
    -1002: ErrorKind.BAD_KEY,
    -1003: ErrorKind.RATE_LIMITED,
    -1006: ErrorKind.OUTCOME_UNKNOWN,
    -1007: ErrorKind.OUTCOME_UNKNOWN,  # the backend did not answer within 10 s
    -1008: ErrorKind.BUSY,
    -1013: ErrorKind.FILTER,
    -1014: ErrorKind.MALFORMED,
    -1015: ErrorKind.RATE_LIMITED,
    -1016: ErrorKind.MAINTENANCE,
    -1020: ErrorKind.MALFORMED,
    -1021: ErrorKind.CLOCK_SKEW,
    -1022: ErrorKind.BAD_SIGNATURE,
    -1034: ErrorKind.RATE_LIMITED,  # connections
    -1111: ErrorKind.FILTER,  # more decimals than the symbol has
    -1121: ErrorKind.UNKNOWN_SYMBOL,
    -2008: ErrorKind.BAD_KEY,
    -2010: ErrorKind.OTHER,  # the message says why
    -2011: ErrorKind.UNKNOWN_ORDER,  # of a cancel; the message may say something else
    -2013: ErrorKind.UNKNOWN_ORDER,
    -2014: ErrorKind.BAD_KEY,
    -2015: ErrorKind.BAD_KEY,
    -2021: ErrorKind.OTHER,
    -2022: ErrorKind.OTHER,
    -2026: ErrorKind.UNKNOWN_ORDER,  # archived: ended without a fill more than 90 days ago
}

_SPOKEN_BY_THE_MATCHING_ENGINE: Final = frozenset({-1010, -1013, -2010, -2011})
"""One code for many refusals: the message tells them apart."""

_KIND_BY_MESSAGE: Final = (
    ("insufficient balance", ErrorKind.INSUFFICIENT_BALANCE),
    ("duplicate order sent", ErrorKind.DUPLICATE_ORDER),
    ("immediately match and take", ErrorKind.WOULD_TAKE),
    ("market is closed", ErrorKind.MARKET_CLOSED),
    ("unknown order sent", ErrorKind.UNKNOWN_ORDER),
    ("filter failure", ErrorKind.FILTER),
    ("price * qty is zero or less", ErrorKind.FILTER),
    ("liquidity is less than", ErrorKind.FILTER),
    ("not supported for this symbol", ErrorKind.FILTER),
    ("disabled on this account", ErrorKind.BAD_KEY),
    ("may not place or cancel orders", ErrorKind.BAD_KEY),
    ("for this account", ErrorKind.BAD_KEY),  # this symbol is not permitted, is restricted
    ("trading is not enabled", ErrorKind.BAD_KEY),
    ("due to cancel restrictions", ErrorKind.OTHER),
    ("cancel order is invalid", ErrorKind.MALFORMED),
    ("unsupported order combination", ErrorKind.MALFORMED),
)

_MALFORMED_CODES: Final = range(-1199, -1099)
"""All of -11xx complain of the request itself."""

_PENALTIES: Final = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.BANNED, ErrorKind.BUSY})


class _ErrorBody(msgspec.Struct, frozen=True):
    code: int
    msg: str = ""


_decode_body = msgspec.json.Decoder(_ErrorBody).decode
_title_of = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE).search


def classify(status: int, headers: Mapping[str, str], body: bytes) -> ExchangeError | None:
    """The meaning of an HTTP answer; None for a success. Never raises.

    A code that is known says more than the HTTP status. Without one: 429 is a rate limit, 418 a ban, 403 the firewall,
    and of any 5xx the outcome is unknown: the request may have been executed before the answer was lost.
    """
    if 200 <= status < 300:
        return None
    retry_after = retry_after_s(headers)
    try:
        decoded = _decode_body(body)
    except DECODING_ERRORS:
        text = _readable(body)
        kind = _kind_of_status(status, text)
        code = f"HTTP {status}"
    else:
        text = decoded.msg
        kind = kind_of(decoded.code, text, status)
        code = str(decoded.code)
    if status == 403 and kind is ErrorKind.RATE_LIMITED and retry_after is None:
        retry_after = BLOCKED_S
    return ExchangeError(
        kind=kind,
        code=code,
        message=_shortened(text) or f"HTTP status {status}",
        retry_after_s=retry_after if kind in _PENALTIES or status >= 500 else None,
    )


def kind_of(code: int, message: str, status: int) -> ErrorKind:
    """The meaning of a code, of REST or of the WebSocket API, with its message and HTTP status."""
    if status == 418:
        return ErrorKind.BANNED
    if status == 429:
        return ErrorKind.RATE_LIMITED
    lowered = message.lower()
    if code == -1003 and "banned" in lowered:
        return ErrorKind.BANNED
    if code in _SPOKEN_BY_THE_MATCHING_ENGINE:
        for words, kind in _KIND_BY_MESSAGE:
            if words in lowered:
                return kind
    if code in _KIND_BY_CODE:
        return _KIND_BY_CODE[code]
    if code in _MALFORMED_CODES:
        return ErrorKind.MALFORMED
    return _kind_of_status(status, lowered)


def stream_error(code: int, message: str, status: int, retry_after: float | None) -> ExchangeError:
    """The error in an answer on a WebSocket. `status` is the HTTP status that the WebSocket API tells, else 400."""
    kind = kind_of(code, message, status)
    return ExchangeError(
        kind=kind,
        code=str(code),
        message=_shortened(message),
        retry_after_s=retry_after if kind in _PENALTIES else None,
    )


def _kind_of_status(status: int, text: str) -> ErrorKind:
    if status == 418:
        return ErrorKind.BANNED
    if status in {403, 429}:
        return ErrorKind.RATE_LIMITED
    if status >= 500 or status == 408:
        return ErrorKind.OUTCOME_UNKNOWN
    if status == 401:
        return ErrorKind.BAD_KEY
    if "maintenance" in text.lower():
        return ErrorKind.MAINTENANCE
    if status == 404:
        return ErrorKind.MALFORMED
    return ErrorKind.OTHER


def _readable(body: bytes) -> str:
    """What a body that is not Binance's JSON says: of a page, its title."""
    text = body[:4096].decode("utf-8", "replace")
    title = _title_of(text)
    return (title.group(1) if title else text).strip()


def _shortened(text: Any) -> str:
    one_line = " ".join(str(text).split())
    return one_line if len(one_line) <= _LONGEST_MESSAGE else f"{one_line[:_LONGEST_MESSAGE]}…"
