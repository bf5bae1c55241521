"""OTP's restart intensity: so many restarts in any such period, pure."""

from collections import deque


class RestartBudget:
    """Allows `limit` restarts within any `period_s` seconds."""

    __slots__ = ("_limit", "_period_s", "_spent")

    def __init__(self, limit: int, period_s: float) -> None:
        self._limit = limit
        self._period_s = period_s
        self._spent: deque[float] = deque()

    def spend(self, now_s: float) -> bool:
        """Whether one more restart, at `now_s`, is within the budget."""
        while self._spent and self._spent[0] < now_s - self._period_s:
            self._spent.popleft()
        self._spent.append(now_s)
        return len(self._spent) <= self._limit

    @property
    def spent(self) -> int:
        """Restarts in the period that ended with the last `spend`."""
        return len(self._spent)
