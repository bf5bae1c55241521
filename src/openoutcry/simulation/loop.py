"""An event loop whose time is virtual: it jumps to the next timer when nothing else is to do.

Nothing ever waits. The loop knows no sockets and no threads: what is given to a thread runs at once, in its place.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

_Result = TypeVar("_Result")

FIRST_WALL_MS = 1_767_225_600_000
"""What a `LoopClock`'s wall shows at the beginning: a full day of UTC."""


class NothingWillHappen(RuntimeError):
    """Everybody waits, and no timer is set: in real time this would hang for ever."""


class _JumpingSelector(selectors.SelectSelector):
    """Does not wait: the clock goes forward instead."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise NothingWillHappen("every task waits for something, and no timer is set")
        if timeout > 0:
            self.now_s += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop of virtual time, in seconds from 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """The virtual time in seconds."""
        return self._jumping.now_s

    def run_in_executor(  # type: ignore[override]  # typeshed wants the type variables of newer Pythons
        self, executor: Executor | None, func: Callable[..., _Result], *args: Any
    ) -> "asyncio.Future[_Result]":
        """Call at once; the future is done."""
        future: asyncio.Future[_Result] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)
        return future


class LoopClock:
    """The running loop's time as the clock port; its wall can be set."""

    def __init__(self) -> None:
        self.wall_ahead_ms = 0.0
        self._time = asyncio.get_running_loop().time

    def wall_ms(self) -> int:
        """Ms since the epoch."""
        return int(FIRST_WALL_MS + self._time() * 1e3 + self.wall_ahead_ms)

    def monotonic_ns(self) -> int:
        """Ns of the loop's clock."""
        return int(self._time() * 1e9)
