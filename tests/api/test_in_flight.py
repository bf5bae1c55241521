"""The bot's replica of its in-flight orders follows the events, also those of orders that it did not place itself."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from openoutcry.in_flight import InFlightReplica, as_json
from openoutcry.messages.orders import (
    OrderCompleted,
    OrderCreated,
    OrderFailed,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderState,
    OrderType,
    PlaceOrder,
    TradeSide,
)

PLACE = PlaceOrder(
    trading_pair="BTC-USDT",
    side=TradeSide.BUY,
    order_type=OrderType.LIMIT,
    amount=Decimal("0.0123456"),
    price=Decimal("60000.123"),
)


def common(number: int, exchange_order_id: str | None = "77") -> dict[str, Any]:
    return {
        "number": number,
        "time_ms": 1000 + number,
        "trading_pair": "BTC-USDT",
        "client_order_id": "oo-1",
        "exchange_order_id": exchange_order_id,
    }


def created() -> OrderCreated:
    return OrderCreated(
        **common(1),
        side=TradeSide.BUY,
        order_type=OrderType.LIMIT,
        price=Decimal("60000.12"),
        amount=Decimal("0.01234"),
    )


def filled(trade_id: str) -> OrderFilled:
    return OrderFilled(
        **common(2),
        side=TradeSide.BUY,
        trade_id=trade_id,
        price=Decimal(60000),
        amount=Decimal("0.005"),
        fee_asset="BTC",
        fee_amount=Decimal("0.000005"),
        is_maker=False,
    )


def test_an_order_follows_its_events_from_acceptance_to_its_end() -> None:
    replica = InFlightReplica()
    replica.accepted("oo-1", PLACE)
    assert replica.orders["oo-1"].state is OrderState.PENDING_CREATE
    replica.apply(created())
    order = replica.orders["oo-1"]
    assert (order.state, order.amount, order.price) == (OrderState.OPEN, Decimal("0.01234"), Decimal("60000.12"))
    replica.apply(filled("1"))
    replica.apply(filled("2"))
    order = replica.orders["oo-1"]
    assert order.executed_amount_base == Decimal("0.010")
    assert order.executed_amount_quote == Decimal(600)
    assert dict(order.fees) == {"BTC": Decimal("0.000010")}
    assert order.remaining_amount == Decimal("0.00234")
    assert as_json(order)["state"] == "PARTIALLY_FILLED"
    replica.apply(
        OrderCompleted(
            **common(4),
            side=TradeSide.BUY,
            executed_amount_base=Decimal("0.01234"),
            executed_amount_quote=Decimal("740.4"),
        )
    )
    assert replica.orders == {}


def test_an_unknown_outcome_is_shown_with_its_reason_until_the_exchange_says() -> None:
    replica = InFlightReplica()
    replica.accepted("oo-1", PLACE)
    replica.apply(OrderOutcomeUnknown(**common(1, None), reason="timed out"))
    assert (replica.orders["oo-1"].state, replica.orders["oo-1"].reason) == (OrderState.UNKNOWN, "timed out")
    replica.apply(created())
    assert (replica.orders["oo-1"].state, replica.orders["oo-1"].reason) == (OrderState.OPEN, "")
    replica.apply(OrderFailed(**common(3), reason="the exchange never had it"))
    assert replica.orders == {}


def test_an_order_of_an_earlier_life_appears_with_its_creation_and_events_of_strangers_change_nothing() -> None:
    replica = InFlightReplica()
    replica.apply(filled("9"))
    assert replica.orders == {}
    replica.apply(created())
    assert replica.orders["oo-1"].exchange_order_id == "77"
    other = InFlightReplica()
    other.restore(tuple(replica.orders.values()))
    assert other.orders == replica.orders


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, OrderState.OPEN),
        ({"executed_amount_base": Decimal("0.001")}, OrderState.PARTIALLY_FILLED),
        ({"exchange_order_id": None}, OrderState.PENDING_CREATE),
    ],
)
def test_an_order_found_while_its_cancel_was_under_way_is_open_if_the_cancel_comes_to_nothing(
    changes: dict[str, Any], shown: OrderState
) -> None:
    replica = InFlightReplica()
    replica.apply(created())
    (order,) = replica.orders.values()
    replica.restore((replace(order, state=OrderState.PENDING_CANCEL, **changes),))
    assert replica.orders["oo-1"].state is shown
