"""Which orders the exchange is to be asked about, and when."""

from collections.abc import Callable

from openoutcry.actors.order_tracker.order_record import OrderRecord
from openoutcry.messages.orders import OrderQuestion


class Questions:
    """Asks for each order again and again, with growing delays, until it is told to stop.

    Only orders of which something is missing are in here: few as a rule, also when many are in flight.
    """

    __slots__ = ("_delay_s", "_open")

    def __init__(self, delay_s: Callable[[int], float]) -> None:
        self._delay_s = delay_s
        self._open: dict[OrderRecord, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def ask(self, record: OrderRecord, at_s: float, *, state: bool = False, fills: bool = False) -> None:
        """Ask for an order's state or fills from a moment on; earlier if it is to be asked for already."""
        if record in self._open:
            record.ask_at_s = min(record.ask_at_s, at_s)
        else:
            self._open[record] = None
            record.ask_attempts = 0
            record.ask_at_s = at_s
        record.ask_state |= state
        record.ask_fills |= fills

    def answered_state(self, record: OrderRecord) -> None:
        """The order's state is known now."""
        record.ask_state = False
        if not record.ask_fills:
            self._open.pop(record, None)

    def answered_fills(self, record: OrderRecord) -> None:
        """The order's fills are known now."""
        record.ask_fills = False
        if not record.ask_state:
            self._open.pop(record, None)

    def drop(self, record: OrderRecord) -> None:
        """Nothing of the order is missing."""
        record.ask_state = record.ask_fills = False
        self._open.pop(record, None)

    def due(self, now_s: float) -> tuple[OrderQuestion, ...]:
        """What to ask now; each is asked again later, unless its answer comes."""
        questions = []
        for record in self._open:
            if record.ask_at_s <= now_s:
                record.ask_attempts += 1
                record.ask_at_s = now_s + self._delay_s(record.ask_attempts)
                questions.append(
                    OrderQuestion(
                        trading_pair=record.trading_pair,
                        client_order_id=record.client_order_id,
                        exchange_order_id=record.exchange_order_id,
                        wants_state=record.ask_state,
                        wants_fills=record.ask_fills,
                    )
                )
        return tuple(questions)

    def next_s(self) -> float | None:
        """When the next question is due; None if there is none."""
        return min((record.ask_at_s for record in self._open), default=None)

    def ask_again(self, now_s: float) -> None:
        """Whoever was asked is gone: ask everything now."""
        for record in self._open:
            record.ask_at_s = min(record.ask_at_s, now_s)
