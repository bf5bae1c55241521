"""The events that tell of an order, made of what is known of it."""

from openoutcry.actors.order_tracker.order_record import OrderRecord
from openoutcry.messages.orders import (
    FillUpdate,
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderFailed,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderState,
)


def created(record: OrderRecord, number: int, time_ms: int) -> OrderCreated:
    """The exchange has it."""
    return OrderCreated(
        number=number,
        time_ms=time_ms,
        trading_pair=record.trading_pair,
        client_order_id=record.client_order_id,
        exchange_order_id=record.exchange_order_id,
        side=record.side,
        order_type=record.order_type,
        price=record.price,
        amount=record.amount,
    )


def filled(record: OrderRecord, number: int, fill: FillUpdate) -> OrderFilled:
    """A fill of it was counted."""
    return OrderFilled(
        number=number,
        time_ms=fill.traded_ms,
        trading_pair=record.trading_pair,
        client_order_id=record.client_order_id,
        exchange_order_id=record.exchange_order_id,
        side=record.side,
        trade_id=fill.trade_id,
        price=fill.price,
        amount=fill.amount,
        fee_asset=fill.fee_asset,
        fee_amount=fill.fee_amount,
        is_maker=fill.is_maker,
    )


def outcome_unknown(record: OrderRecord, number: int, time_ms: int, reason: str) -> OrderOutcomeUnknown:
    """A request's outcome is not known."""
    return OrderOutcomeUnknown(
        number=number,
        time_ms=time_ms,
        trading_pair=record.trading_pair,
        client_order_id=record.client_order_id,
        exchange_order_id=record.exchange_order_id,
        reason=reason,
    )


def ended(record: OrderRecord, number: int) -> OrderCompleted | OrderCancelled | OrderFailed:
    """Its last event, by the exchange's last word."""
    time_ms, pair = record.updated_ms, record.trading_pair
    ours, theirs = record.client_order_id, record.exchange_order_id
    if record.word is OrderState.FILLED:
        return OrderCompleted(
            number=number,
            time_ms=time_ms,
            trading_pair=pair,
            client_order_id=ours,
            exchange_order_id=theirs,
            side=record.side,
            executed_amount_base=record.filled_base,
            executed_amount_quote=record.filled_quote,
        )
    if record.word is OrderState.CANCELED:
        return OrderCancelled(
            number=number,
            time_ms=time_ms,
            trading_pair=pair,
            client_order_id=ours,
            exchange_order_id=theirs,
            executed_amount_base=record.filled_base,
            reason=record.reason,
        )
    return OrderFailed(
        number=number,
        time_ms=time_ms,
        trading_pair=pair,
        client_order_id=ours,
        exchange_order_id=theirs,
        reason=record.reason,
    )
