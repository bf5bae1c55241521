"""Budgets: what the exchange limits, what each call costs, what the answers' headers say."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from openoutcry.exchanges.binance.wire import parser
from openoutcry.exchanges.dialect import RateUsage
from openoutcry.messages.trading_rules import RateLimit

REQUEST_WEIGHT: Final = "REQUEST_WEIGHT"
ORDERS: Final = "ORDERS"
ORDERS_10S: Final = "ORDERS_10S"
ORDERS_1D: Final = "ORDERS_1D"
RAW_REQUESTS: Final = "RAW_REQUESTS"

DEFAULT_RATE_LIMITS: Final = (
    RateLimit(name=REQUEST_WEIGHT, limit=6_000, interval_s=60.0),
    RateLimit(name=ORDERS_10S, limit=100, interval_s=10.0),
    RateLimit(name=ORDERS_1D, limit=200_000, interval_s=86_400.0),
    RateLimit(name=RAW_REQUESTS, limit=300_000, interval_s=300.0),
)
"""Those of binance.com in 2026; exchangeInfo has the last word."""

_UNIT_S: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}

_USED_WEIGHT: Final = "x-mbx-used-weight-1m"
_ORDER_COUNT: Final = "x-mbx-order-count-"


class _RateLimit(msgspec.Struct, frozen=True, rename="camel"):
    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class _ExchangeInfo(msgspec.Struct, frozen=True, rename="camel"):
    rate_limits: list[_RateLimit] = []


_parse_rate_limits = parser(_ExchangeInfo, "exchangeInfo")


def costs(weight: int) -> tuple[tuple[str, int], ...]:
    """What a call of this weight costs."""
    return ((REQUEST_WEIGHT, weight), (RAW_REQUESTS, 1))


def order_costs(weight: int) -> tuple[tuple[str, int], ...]:
    """What placing one order costs. A successful placement is given back its weight by the usage header."""
    return ((REQUEST_WEIGHT, weight), (ORDERS_10S, 1), (ORDERS_1D, 1), (RAW_REQUESTS, 1))


def parse_rate_limits(body: bytes) -> tuple[RateLimit, ...]:
    """`{"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":100}]}` → ORDERS_10S.

    Budgets of a kind or interval that we do not know are left out: nothing that we send is counted there.
    """
    limits: list[RateLimit] = []
    info: _ExchangeInfo = _parse_rate_limits(body)
    for one in info.rate_limits:
        unit_s = _UNIT_S.get(one.interval)
        if unit_s is None or one.interval_num < 1 or one.limit < 1:
            continue
        if one.rate_limit_type == ORDERS:
            name = f"{ORDERS}_{one.interval_num}{one.interval[0]}"
        elif one.rate_limit_type in {REQUEST_WEIGHT, RAW_REQUESTS}:
            name = one.rate_limit_type
        else:
            continue
        limits.append(RateLimit(name=name, limit=one.limit, interval_s=float(unit_s * one.interval_num)))
    return tuple(limits)


def rate_usage(headers: Mapping[str, str]) -> RateUsage:
    """`x-mbx-used-weight-1m`, `x-mbx-order-count-10s` and `-1d`, and `retry-after` in seconds."""
    used: list[tuple[str, int]] = []
    for name, value in headers.items():
        budget = _budget_of(name)
        if budget is not None and value.isascii() and value.isdigit() and len(value) < 10:
            used.append((budget, int(value)))
    return RateUsage(used=tuple(used), retry_after_s=retry_after_s(headers))


@lru_cache(maxsize=256)
def _budget_of(header: str) -> str | None:
    """The budget whose use a header tells, if any."""
    if header == _USED_WEIGHT:
        return REQUEST_WEIGHT
    if header.startswith(_ORDER_COUNT):
        return f"{ORDERS}_{header[len(_ORDER_COUNT) :].upper()}"
    return None


def retry_after_s(headers: Mapping[str, Any]) -> float | None:
    """Seconds to wait, as the exchange says; None when it does not."""
    value = headers.get("retry-after")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    return None
