"""How the components' statuses fold into one, pure.

The mode that is in force is the one that was asked for, lowered to CANCEL_ONLY while a component that trading rests on
is not well: a new order is refused then with that reason, a cancel still goes through.
"""

from collections.abc import Iterable, Mapping

from openoutcry.actors import roles
from openoutcry.messages.lifecycle import ComponentStatus, Readiness, TradingMode

MUST_BE_READY = frozenset({roles.USER_STREAM, roles.ORDERS})
"""Without these an order could end unseen."""

MUST_WORK = frozenset({roles.SIGNER, roles.REST, roles.CLOCK, roles.RULES, roles.BALANCES})
"""These may be DEGRADED while orders go out, not STARTING or FAILED."""


def mode_in_force(
    asked_for: TradingMode, reason: str, statuses: Mapping[str, ComponentStatus]
) -> tuple[TradingMode, str]:
    """The trading mode and its reason, from the one asked for and the components of a connector that has an account."""
    if asked_for is not TradingMode.LIVE:
        return asked_for, reason
    troubles = [trouble for status in statuses.values() if (trouble := _trouble(status))]
    if troubles:
        return TradingMode.CANCEL_ONLY, "; ".join(troubles)
    return TradingMode.LIVE, reason


def is_ready(statuses: Iterable[ComponentStatus]) -> bool:
    """Whether everything is there."""
    return all(status.readiness is Readiness.READY for status in statuses)


def describe(status: ComponentStatus, now_ms: int) -> str:
    """One line for a person: `user_stream DEGRADED for 41 s: silent 41 s > 30 s; restart 3 of 5 in 8 s`."""
    age_s = max(0, now_ms - status.since_ms) // 1000
    words = f"{status.role} {status.readiness.value} for {age_s} s"
    if status.reason:
        words += f": {status.reason}"
    if status.next_step:
        words += f"; {status.next_step}"
    return words


def _trouble(status: ComponentStatus) -> str:
    if status.role in MUST_BE_READY:
        bad = status.readiness is not Readiness.READY
    elif status.role in MUST_WORK:
        bad = status.readiness in (Readiness.STARTING, Readiness.FAILED)
    else:
        return ""
    return (
        f"{status.role} is {status.readiness.value}" + (f" ({status.reason})" if status.reason else "") if bad else ""
    )
