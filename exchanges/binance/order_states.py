"""Binance's words for the state of an order, and ours."""

from decimal import Decimal
from typing import Final

from openoutcry.messages.orders import OrderState

_STATES: Final = {
    "NEW": OrderState.OPEN,
    "PENDING_NEW": OrderState.OPEN,  # a leg of an order list, not on the book yet
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "PENDING_CANCEL": OrderState.OPEN,  # documented as unused: it has not ended
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELED,
    "EXPIRED": OrderState.CANCELED,  # the rest of an IOC, FOK or market order, or by the exchange
    "EXPIRED_IN_MATCH": OrderState.CANCELED,  # self-trade prevention
    "REJECTED": OrderState.FAILED,
}

NO_REASON: Final = frozenset({"", "NONE"})


def order_state(status: str, executed_amount_base: Decimal) -> OrderState:
    """The state that a status means. An open order that has filled in part is PARTIALLY_FILLED.

    Raises:
        ValueError: no such status is documented.
    """
    state = _STATES.get(status)
    if state is None:
        raise ValueError(f"the order status {status[:40]!r} is not documented")
    if state is OrderState.OPEN and executed_amount_base > 0:
        return OrderState.PARTIALLY_FILLED
    return state


def end_reason(status: str, *told: str | None) -> str:
    """Why an order ended, other than by a fill or a cancel: what the exchange told first, else the status itself."""
    for reason in told:
        if reason is not None and reason not in NO_REASON:
            return reason
    return status if status in {"EXPIRED", "EXPIRED_IN_MATCH", "REJECTED"} else ""
