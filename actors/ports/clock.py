"""The clock port."""

import time
from typing import Protocol


class Clock(Protocol):
    """Readings of time. Waiting is not the clock's: actors wait by timers of the system base."""

    def wall_ms(self) -> int:
        """Our wall clock, in ms since the epoch. May jump."""

    def monotonic_ns(self) -> int:
        """A clock that never goes back, in ns since some moment."""


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()

    def wall_ms(self) -> int:
        """Our wall clock, in ms since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic_ns(self) -> int:
        """The monotonic clock, in ns."""
        return time.monotonic_ns()
