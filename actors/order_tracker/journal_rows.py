"""An order as a row of the journal, and back. Money is text: SQLite has no decimal numbers."""

from decimal import Decimal
from typing import Any

import msgspec

from openoutcry.actors.order_tracker.order_record import CancelPhase, OrderRecord
from openoutcry.messages.orders import FillUpdate, OrderState, OrderType, TimeInForce, TradeSide

_FEES = msgspec.json.Decoder(dict[str, Decimal])
_encode = msgspec.json.Encoder().encode

_CONSTANT_COLUMNS = (
    "order_id, client_order_id, trading_pair, side, order_type, time_in_force, price, amount, self_trade_prevention, "
    "created_ms"
)
CHANGING_COLUMNS = (
    "exchange_order_id",
    "word",
    "is_unknown",
    "cancel",
    "stamp_ms",
    "reported_base",
    "reported_quote",
    "filled_base",
    "filled_quote",
    "fees",
    "updated_ms",
    "reason",
    "is_created",
    "is_finished",
)
ORDER_COLUMNS = f"{_CONSTANT_COLUMNS}, {', '.join(CHANGING_COLUMNS)}"


def constant_values(record: OrderRecord) -> tuple[Any, ...]:
    """What of an order never changes, in the order of the columns."""
    return (
        record.order_id,
        record.client_order_id,
        record.trading_pair,
        record.side,
        record.order_type,
        record.time_in_force,
        None if record.price is None else str(record.price),
        str(record.amount),
        record.self_trade_prevention,
        record.created_ms,
    )


def changing_values(record: OrderRecord) -> tuple[Any, ...]:
    """What of an order changes, in the order of `CHANGING_COLUMNS`."""
    return (
        record.exchange_order_id,
        record.word,
        record.is_unknown,
        record.cancel,
        record.stamp_ms,
        str(record.reported_base),
        str(record.reported_quote),
        str(record.filled_base),
        str(record.filled_quote),
        _encode(record.fees).decode() if record.fees else "{}",
        record.updated_ms,
        record.reason,
        record.is_created,
        record.is_finished,
    )


def fill_values(record: OrderRecord, fill: FillUpdate) -> tuple[Any, ...]:
    """A fill as a row."""
    return (
        record.order_id,
        fill.trade_id,
        str(fill.price),
        str(fill.amount),
        str(fill.quote_amount),
        fill.fee_asset,
        str(fill.fee_amount),
        fill.is_maker,
        fill.traded_ms,
    )


def record_of(row: tuple[Any, ...]) -> OrderRecord:
    """The order of a row of `ORDER_COLUMNS`."""
    value = dict(zip(ORDER_COLUMNS.split(", "), row, strict=True))
    price = value["price"]
    record = OrderRecord(
        order_id=value["order_id"],
        client_order_id=value["client_order_id"],
        trading_pair=value["trading_pair"],
        side=TradeSide(value["side"]),
        order_type=OrderType(value["order_type"]),
        time_in_force=TimeInForce(value["time_in_force"]),
        price=None if price is None else Decimal(price),
        amount=Decimal(value["amount"]),
        self_trade_prevention=value["self_trade_prevention"],
        created_ms=value["created_ms"],
    )
    record.exchange_order_id = value["exchange_order_id"]
    record.word = None if value["word"] is None else OrderState(value["word"])
    record.is_unknown = bool(value["is_unknown"])
    record.cancel = CancelPhase(value["cancel"])
    record.stamp_ms = value["stamp_ms"]
    record.reported_base = Decimal(value["reported_base"])
    record.reported_quote = Decimal(value["reported_quote"])
    record.filled_base = Decimal(value["filled_base"])
    record.filled_quote = Decimal(value["filled_quote"])
    record.fees = _FEES.decode(value["fees"])
    record.updated_ms = value["updated_ms"]
    record.reason = value["reason"]
    record.is_created = bool(value["is_created"])
    record.is_finished = bool(value["is_finished"])
    record.is_new = record.is_requesting = False
    return record
