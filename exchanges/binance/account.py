"""Balances, permissions, fees, prices and the clock by REST. Source: rest-api "Account endpoints", "Market Data"."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec
import orjson

from openoutcry.exchanges.binance.payload import Parser, Price, finite, not_negative
from openoutcry.exchanges.dialect import MalformedPayload
from openoutcry.messages.account import Balance, BalanceSnapshot
from openoutcry.messages.trading_rules import TradeFee, TradingRule

_ZERO: Final = Decimal(0)

# The first rung of the fee table, before any discount.
DEFAULT_FEE: Final = TradeFee(trading_pair="", maker=Decimal("0.001"), taker=Decimal("0.001"))


class _Balance(msgspec.Struct):
    asset: str
    free: Decimal
    locked: Decimal


class _Account(msgspec.Struct):
    balances: list[_Balance]


class _Permissions(msgspec.Struct):
    canTrade: bool = False  # noqa: N815 - Binance's names in the structs of this module
    canWithdraw: bool = False  # noqa: N815


class _Rates(msgspec.Struct):
    maker: Decimal = _ZERO
    taker: Decimal = _ZERO
    buyer: Decimal = _ZERO
    seller: Decimal = _ZERO


class _Commission(msgspec.Struct):
    standardCommission: _Rates  # noqa: N815
    specialCommission: _Rates | None = None  # noqa: N815
    taxCommission: _Rates | None = None  # noqa: N815


class _LastPrice(msgspec.Struct):
    symbol: str
    price: Price


class _ServerTime(msgspec.Struct):
    serverTime: int  # noqa: N815


_ACCOUNT: Final = Parser(_Account, "an account")
_PERMISSIONS: Final = Parser(_Permissions, "an account")
_COMMISSION: Final = Parser(_Commission, "commission rates")
_LAST_PRICES: Final = Parser(list[_LastPrice] | _LastPrice, "last prices")
_SERVER_TIME: Final = Parser(_ServerTime, "the server's time")


def parse_balances(body: bytes, asked_ms: int) -> BalanceSnapshot:
    """GET /api/v3/account."""
    balances = []
    for one in _ACCOUNT.parse(body).balances:
        free, locked = not_negative(one.free, "free amount"), not_negative(one.locked, "locked amount")
        if free or locked:
            balances.append(Balance(asset=one.asset, total=free + locked, available=free))
    return BalanceSnapshot(balances=tuple(balances), asked_ms=asked_ms)


def parse_permissions(body: bytes) -> frozenset[str]:
    """What the key may do; that the account could be read proves "read"."""
    permissions = _PERMISSIONS.parse(body)
    found = {"read"}
    if permissions.canTrade:
        found.add("trade")
    if permissions.canWithdraw:
        found.add("withdraw")
    return frozenset(found)


def parse_fees(rule: TradingRule, body: bytes) -> TradeFee:
    """GET /api/v3/account/commission: standard, special and tax rates add up. Discounts paid in BNB are left out."""
    commission = _COMMISSION.parse(body)
    parts = [commission.standardCommission, commission.specialCommission, commission.taxCommission]
    rates = [part for part in parts if part is not None]
    return TradeFee(
        trading_pair=rule.trading_pair,
        maker=sum((finite(rate.maker, "commission") for rate in rates), _ZERO),
        taker=sum((finite(rate.taker, "commission") for rate in rates), _ZERO),
    )


def symbols_parameter(rules: Sequence[TradingRule]) -> str:
    """The value of the `symbols` parameter: a JSON list."""
    return orjson.dumps([rule.symbol for rule in rules]).decode()


def parse_last_prices(rules: Sequence[TradingRule], body: bytes) -> tuple[tuple[str, float], ...]:
    """GET /api/v3/ticker/price."""
    pairs = {rule.symbol: rule.trading_pair for rule in rules}
    parsed = _LAST_PRICES.parse(body)
    prices = parsed if isinstance(parsed, list) else [parsed]
    return tuple((pairs[one.symbol], one.price) for one in prices if one.symbol in pairs)


def parse_server_time(body: bytes) -> int:
    """GET /api/v3/time."""
    server_ms = _SERVER_TIME.parse(body).serverTime
    if server_ms <= 0:
        raise MalformedPayload(f"expected a time in ms, received {server_ms}")
    return server_ms
