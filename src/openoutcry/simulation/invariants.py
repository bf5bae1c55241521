"""What must hold in every run, whatever went wrong in it."""

from openoutcry.connector import Connector
from openoutcry.demo.summary import OrderLog, Summary, compare
from openoutcry.emulator.venue import TEST_ACCOUNT, EmulatedVenue
from openoutcry.messages.orders import (
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderEvent,
    OrderFailed,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderState,
)

_ENDS = (OrderCompleted, OrderCancelled, OrderFailed)
_WORST_AT_ONCE = 20
_OPEN_STATES = (OrderState.OPEN, OrderState.PARTIALLY_FILLED)


class EventWatch:
    """A subscriber that resumes with the last number it has seen, and looks at each event's number and order."""

    def __init__(self) -> None:
        self.log = OrderLog()
        self.last_number = 0
        self.violations: list[str] = []
        self._seen: dict[str, list[type[OrderEvent]]] = {}
        self._trades: set[tuple[str, str]] = set()

    def add(self, event: OrderEvent) -> None:
        """An event came."""
        if event.number != self.last_number + 1:
            self._violated(event, f"came after number {self.last_number}")
        self.last_number = event.number
        self.log.add(event)
        seen = self._seen.setdefault(event.client_order_id, [])
        kind = type(event)
        if kind in seen and kind is not OrderFilled and kind is not OrderOutcomeUnknown:
            self._violated(event, "is the second of its kind")
        if OrderCompleted in seen:
            self._violated(event, "came after the order was complete")
        if kind in _ENDS and any(end in seen for end in _ENDS):
            self._violated(event, "ends an order that had ended")
        if kind in (OrderCreated, OrderOutcomeUnknown) and any(end in seen for end in _ENDS):
            self._violated(event, "came after the order had ended")
        if kind in (OrderFilled, OrderCompleted, OrderCancelled) and OrderCreated not in seen:
            self._violated(event, "came before the order was created")
        if isinstance(event, OrderFilled):
            trade = (event.client_order_id, event.trade_id)  # both sides of a trade may be ours
            if trade in self._trades:
                self._violated(event, f"counts trade {event.trade_id} a second time")
            self._trades.add(trade)
        seen.append(kind)

    def _violated(self, event: OrderEvent, what: str) -> None:
        self.violations.append(f"event {event.number} ({type(event).__name__} of {event.client_order_id}) {what}")


async def compare_at_rest(connector: Connector, venue: EmulatedVenue, watch: EventWatch, *, restarts: int) -> Summary:
    """Compare with the exchange, which must be at rest; `problems` names whatever differs."""
    summary = await compare(connector, venue, watch.log, ready_after_s=0, frames=0, restarts=restarts)
    in_flight = connector.in_flight_orders
    open_there = {order.client_order_id for order in venue.exchange.open_orders(TEST_ACCOUNT)}
    problems = [
        f"order {order_id}: {order.state.value} here ({order.reason}), not open at the exchange"
        for order_id, order in in_flight.items()
        if order_id not in open_there
    ]
    problems += [
        f"order {order_id}: {order.state.value} here ({order.reason}), open at the exchange"
        for order_id, order in in_flight.items()
        if order_id in open_there and order.state not in _OPEN_STATES
    ]
    problems += [
        f"order {order_id}: open at the exchange, not in flight here"
        for order_id in sorted(open_there - set(in_flight))
    ]
    summary.problems = [*watch.violations[:_WORST_AT_ONCE], *problems, *summary.problems]
    return summary
