"""Who waits for the exchange's word on a cancel."""

from collections.abc import Callable

from openoutcry.messages.orders import CancelAllResult, CancelResult

Answer = Callable[[CancelResult], None]


class CancelWaiters:
    """Answers to give when the exchange has spoken on an order, or at a deadline if it has not."""

    def __init__(self) -> None:
        self._by_order: dict[str, list[tuple[float, Answer]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_order.values()))

    def add(self, client_order_id: str, deadline_s: float, answer: Answer) -> None:
        """Wait for the word on an order."""
        self._by_order.setdefault(client_order_id, []).append((deadline_s, answer))

    def waits_for(self, client_order_id: str) -> bool:
        """Whether anybody waits for the word on this order."""
        return client_order_id in self._by_order

    def resolve(self, result: CancelResult) -> None:
        """The word is there: answer everybody who waits for it."""
        for _deadline_s, answer in self._by_order.pop(result.client_order_id, ()):
            answer(result)

    def next_s(self) -> float | None:
        """The next deadline; None if nobody waits."""
        return min((deadline_s for waiting in self._by_order.values() for deadline_s, _ in waiting), default=None)

    def overdue(self, now_s: float) -> list[tuple[str, Answer]]:
        """Those whose deadline has passed; they wait no longer."""
        late = []
        for client_order_id, waiting in list(self._by_order.items()):
            left = []
            for deadline_s, answer in waiting:
                if deadline_s <= now_s:
                    late.append((client_order_id, answer))
                else:
                    left.append((deadline_s, answer))
            if left:
                self._by_order[client_order_id] = left
            else:
                del self._by_order[client_order_id]
        return late


class CancelAllCollector:
    """Gathers one result for each order, and answers when the last is there."""

    def __init__(self, expected: int, answer: Callable[[CancelAllResult], None]) -> None:
        self._expected = expected
        self._answer = answer
        self._results: list[CancelResult] = []

    def add(self, result: CancelResult) -> None:
        """One order's result."""
        self._results.append(result)
        if len(self._results) == self._expected:
            self._answer(CancelAllResult(results=tuple(self._results)))
