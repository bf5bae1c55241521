"""Public trades come twice while two streams carry them: here the second one falls."""

from collections import deque

from openoutcry.messages.market import PublicTrade

REMEMBERED = 50_000


class TradeFilter:
    """Lets each public trade through once. Remembers trades only while two streams overlap."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._seen: set[tuple[str, str]] = set()
        self._oldest_first: deque[tuple[str, str]] = deque()
        self._remembered = remembered
        self._was_overlapping = False

    def is_new(self, trade: PublicTrade, *, is_overlapping: bool) -> bool:
        """Whether the trade has not passed before. `is_overlapping`: more than one stream may bring it."""
        if is_overlapping and not self._was_overlapping:
            self._seen.clear()
            self._oldest_first.clear()
        self._was_overlapping = is_overlapping
        if not is_overlapping and not self._seen:
            return True
        key = (trade.trading_pair, trade.trade_id)
        if key in self._seen:
            return False
        # After an overlap nothing is added: the stream that is left may repeat what the other brought, not itself.
        if is_overlapping:
            self._seen.add(key)
            self._oldest_first.append(key)
            if len(self._seen) > self._remembered:
                self._seen.discard(self._oldest_first.popleft())
        return True
