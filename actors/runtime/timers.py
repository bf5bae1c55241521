"""Cancellable timers whose firing is a message to the actor itself."""

from collections.abc import Callable
from typing import Any

import msgspec


class Timer:
    """One pending call. A cancelled timer never calls, also if its message lies in the mailbox already."""

    __slots__ = ("_handle", "callback", "interval_s")

    def __init__(self, callback: Callable[[], None], interval_s: float | None) -> None:
        self.callback: Callable[[], None] | None = callback
        self.interval_s = interval_s
        self._handle: Any = None

    def armed(self, handle: Any) -> None:
        """Remember the system base's handle of the present wait."""
        self._handle = handle

    @property
    def is_active(self) -> bool:
        """Whether the timer will still call."""
        return self.callback is not None

    def cancel(self) -> None:
        """Never call. Idempotent."""
        self.callback = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class TimerFired(msgspec.Struct, frozen=True):
    """From the system base to the actor that set the timer."""

    timer: Timer


class CoroutineDone(msgspec.Struct, frozen=True):
    """What a coroutine came to, as a message to the actor that ran it."""

    then: Callable[[Any], None]
    on_error: Callable[[BaseException], None] | None
    result: Any
    error: BaseException | None
