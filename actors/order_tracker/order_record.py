"""What is known of one order: facts that only ever grow, and the state that follows from them."""

from decimal import Decimal
from enum import IntEnum

from openoutcry.messages.orders import InFlightOrder, OrderState, OrderType, TimeInForce, TradeSide

ZERO = Decimal(0)


class CancelPhase(IntEnum):
    """How far a cancel has come. Kept in the journal: a restart does not forget that an order is to go."""

    NONE = 0
    WANTED = 1
    """Asked for while the order's creation was not known: it is sent when it is."""
    SENT = 2
    CONFIRMING = 3
    """The cancel's outcome does not say what became of the order; the exchange is asked for its state."""


class OrderRecord:
    """One order. Mutable, and owned by the ledger alone: others get an `InFlightOrder`.

    The state is not stored but follows from `word` (the exchange's latest word), `is_unknown` and `cancel`, so that a
    late message can add a fact and never undo one.
    """

    __slots__ = (
        "amount",
        "ask_at_s",
        "ask_attempts",
        "ask_fills",
        "ask_state",
        "cancel",
        "cancel_attempts",
        "client_order_id",
        "created_ms",
        "exchange_order_id",
        "fees",
        "filled_base",
        "filled_quote",
        "is_created",
        "is_dirty",
        "is_finished",
        "is_new",
        "is_reconciling",
        "is_requesting",
        "is_unknown",
        "last_word_s",
        "order_id",
        "order_type",
        "price",
        "reason",
        "reported_base",
        "reported_quote",
        "self_trade_prevention",
        "side",
        "stamp_ms",
        "time_in_force",
        "trade_ids",
        "trading_pair",
        "updated_ms",
        "word",
    )

    def __init__(
        self,
        *,
        order_id: int,
        client_order_id: str,
        trading_pair: str,
        side: TradeSide,
        order_type: OrderType,
        time_in_force: TimeInForce,
        price: Decimal | None,
        amount: Decimal,
        self_trade_prevention: str | None,
        created_ms: int,
    ) -> None:
        self.order_id = order_id
        self.client_order_id = client_order_id
        self.trading_pair = trading_pair
        self.side = side
        self.order_type = order_type
        self.time_in_force = time_in_force
        self.price = price
        self.amount = amount
        self.self_trade_prevention = self_trade_prevention
        self.created_ms = created_ms
        # What the exchange has said so far.
        self.exchange_order_id: str | None = None
        self.word: OrderState | None = None
        self.reported_base = ZERO
        self.reported_quote = ZERO
        self.filled_base = ZERO
        self.filled_quote = ZERO
        self.fees: dict[str, Decimal] = {}
        # Made at the first fill: an empty set a resting order would be most of its memory.
        self.trade_ids: set[str] | None = None
        self.updated_ms = created_ms
        self.reason = ""
        # What we have done about it.
        self.is_unknown = False
        self.cancel = CancelPhase.NONE
        self.stamp_ms = 0
        self.is_created = False
        self.is_finished = False
        # Of this run only.
        self.is_requesting = True
        self.is_new = True
        self.is_dirty = False
        self.is_reconciling = False
        self.last_word_s = 0.0
        self.ask_state = False
        self.ask_fills = False
        self.ask_attempts = 0
        self.ask_at_s = 0.0
        self.cancel_attempts = 0

    @property
    def state(self) -> OrderState:
        """Where the order stands, by all that is known."""
        word = self.word
        if word is not None and word.is_final:
            return word
        if self.is_unknown:
            return OrderState.UNKNOWN
        if self.cancel is not CancelPhase.NONE:
            return OrderState.PENDING_CANCEL
        if word is None:
            return OrderState.PENDING_CREATE
        return word

    @property
    def is_decided(self) -> bool:
        """Whether the exchange has said the last word, even if fills are still to be told."""
        return self.word is not None and self.word.is_final

    @property
    def target_base(self) -> Decimal:
        """What the fills have to add up to before the order can end."""
        if self.word is OrderState.FILLED and not self.reported_base:
            return self.amount
        return self.reported_base

    def view(self) -> InFlightOrder:
        """The order as others may see it."""
        told_more = self.reported_base > self.filled_base
        return InFlightOrder(
            client_order_id=self.client_order_id,
            exchange_order_id=self.exchange_order_id,
            trading_pair=self.trading_pair,
            side=self.side,
            order_type=self.order_type,
            time_in_force=self.time_in_force,
            price=self.price,
            amount=self.amount,
            state=self.state,
            executed_amount_base=self.reported_base if told_more else self.filled_base,
            executed_amount_quote=self.reported_quote if told_more else self.filled_quote,
            fees=tuple(self.fees.items()),
            created_ms=self.created_ms,
            updated_ms=self.updated_ms,
            reason=self.reason,
        )
