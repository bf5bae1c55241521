"""The conversation about balances."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What the account holds of one asset."""

    asset: str
    total: Decimal
    available: Decimal
    """What a new order may use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceUpdate:
    """The exchange's word on some assets, absolute, from the user stream."""

    balances: tuple[Balance, ...]
    updated_ms: int
    """The exchange's time of the change, in ms since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceDelta:
    """A deposit, withdrawal or transfer that the exchange told without the resulting balance."""

    asset: str
    delta: Decimal
    updated_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceSnapshot:
    """All balances of the account, by REST."""

    balances: tuple[Balance, ...]
    asked_ms: int
    """Exchange time at which the question was sent: what the stream says of a later moment is newer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """What the balance poller publishes: all balances that are not zero, as best known."""

    balances: tuple[Balance, ...]
    is_estimated: bool
    """Whether activity since the exchange's last word is folded in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshBalances:
    """To the balance poller: ask the exchange now."""

    reason: str
