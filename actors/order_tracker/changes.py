"""What a batch of messages changed in the ledger: to be journaled first, and let out after."""

from openoutcry.actors.order_tracker.order_record import OrderRecord
from openoutcry.messages.orders import FillUpdate, OrderEvent


class Changes:
    """Orders to write, fills and events in their order, and what is to be done once they are written."""

    __slots__ = ("cancels", "events", "fills", "is_status", "records", "resolved", "unknown_changed")

    def __init__(self) -> None:
        self.records: list[OrderRecord] = []
        self.fills: list[tuple[OrderRecord, FillUpdate]] = []
        self.events: list[OrderEvent] = []
        self.cancels: list[OrderRecord] = []
        """Orders whose cancel is to be sent now."""
        self.resolved: list[tuple[OrderRecord, str]] = []
        """Orders on which the last word, or a word on their cancel, is said; with the reason if the cancel failed."""
        self.unknown_changed: list[OrderRecord] = []
        """Orders that became UNKNOWN, or ceased to be."""
        self.is_status = False
        """Whether the number of unknown or unreconciled orders changed."""

    def __bool__(self) -> bool:
        return bool(self.records or self.cancels or self.resolved or self.is_status)
