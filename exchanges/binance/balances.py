"""The account: balances, and what its key may do."""

from decimal import Decimal

import msgspec

from openoutcry.exchanges.binance.limits import costs
from openoutcry.exchanges.binance.wire import Wire, parser
from openoutcry.messages.account import Balance, BalanceSnapshot
from openoutcry.messages.rest import RestRequest, Security


class _Balance(Wire, frozen=True):
    asset: str
    free: Decimal
    locked: Decimal


class _Account(msgspec.Struct, frozen=True):
    balances: list[_Balance]


class _Permissions(msgspec.Struct, frozen=True, rename="camel"):
    can_trade: bool
    can_withdraw: bool


_parse_account = parser(_Account, "the account")
_parse_permissions = parser(_Permissions, "the account")


def build_balances() -> RestRequest:
    """GET /api/v3/account, weight 20."""
    return RestRequest(
        method="GET",
        path="/api/v3/account",
        parameters=(("omitZeroBalances", "true"),),
        security=Security.SIGNED,
        costs=costs(20),
    )


def parse_balances(body: bytes, asked_ms: int) -> BalanceSnapshot:
    """`{"balances":[{"asset":"BTC","free":"4.1","locked":"0.2"}]}`: total is free and locked together."""
    account: _Account = _parse_account(body)
    return BalanceSnapshot(
        balances=tuple(
            Balance(asset=one.asset, total=one.free + one.locked, available=one.free)
            for one in account.balances
            if one.free or one.locked
        ),
        asked_ms=asked_ms,
    )


def parse_permissions(body: bytes) -> frozenset[str]:
    """canTrade and canWithdraw. They are the account's: a key may have less, which shows only when it is used."""
    told: _Permissions = _parse_permissions(body)
    granted = {"read"}
    if told.can_trade:
        granted.add("trade")
    if told.can_withdraw:
        granted.add("withdraw")
    return frozenset(granted)
