"""Timers of actors: one heap, of which only the earliest is known to the event loop.

The heap is ours so that due timers also fire while the loop itself is held up by a synchronous `ask`.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

from openoutcry.actors.system.cell import Cell

_TIDY_FROM = 64


class Timer:
    """One message to one actor at one time of the loop's clock, unless cancelled."""

    __slots__ = ("_queue", "cell", "message", "when")

    def __init__(self, queue: TimerQueue, cell: Cell, when: float, message: Any) -> None:
        self._queue = queue
        self.cell: Cell | None = cell
        self.when = when
        self.message = message

    def cancel(self) -> None:
        """Deliver nothing. To be called in the loop's thread; a second call does nothing."""
        cell = self.cell
        if cell is not None:
            cell.timers.discard(self)
            self._forget()
            self._queue.one_was_cancelled()

    def _forget(self) -> None:
        self.cell = None
        self.message = None


class TimerQueue:
    """All pending timers of one system, by the clock of its loop."""

    __slots__ = ("_armed", "_armed_for", "_cancelled", "_deliver", "_heap", "_loop", "_number")

    def __init__(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[Cell, Any], None]) -> None:
        self._loop = loop
        self._deliver = deliver
        self._heap: list[tuple[float, int, Timer]] = []
        self._number = 0
        self._cancelled = 0
        self._armed: asyncio.TimerHandle | None = None
        self._armed_for = 0.0

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def add(self, cell: Cell, delay: float, message: Any) -> Timer:
        """Have `message` delivered to `cell` in `delay` seconds; timers of the same moment keep their order."""
        when = self._loop.time() + delay
        timer = Timer(self, cell, when, message)
        cell.timers.add(timer)
        self._number += 1
        heapq.heappush(self._heap, (when, self._number, timer))
        self._arm()
        return timer

    def next_due(self) -> float | None:
        """Return when the next timer fires, in seconds of the loop's clock."""
        heap = self._heap
        while heap and heap[0][2].cell is None:
            heapq.heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def fire_due(self) -> None:
        """Deliver what is due."""
        heap = self._heap
        while (when := self.next_due()) is not None and when <= self._loop.time():
            timer = heapq.heappop(heap)[2]
            cell, message = timer.cell, timer.message
            timer._forget()
            if cell is not None:
                cell.timers.discard(timer)
                self._deliver(cell, message)

    def one_was_cancelled(self) -> None:
        """Note a cancellation; when most entries are dead, throw them out."""
        self._cancelled += 1
        if len(self._heap) > _TIDY_FROM and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].cell is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def close(self) -> None:
        """Drop all timers and let the loop forget this queue."""
        for _, _, timer in self._heap:
            if timer.cell is not None:
                timer.cell.timers.discard(timer)
                timer._forget()
        self._heap.clear()
        self._cancelled = 0
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None

    def _arm(self) -> None:
        when = self.next_due()
        if when is None:
            return
        if self._armed is not None:
            if self._armed_for <= when:
                return
            self._armed.cancel()
        self._armed_for = when
        self._armed = self._loop.call_at(when, self._on_loop_timer)

    def _on_loop_timer(self) -> None:
        self._armed = None
        self.fire_due()
        self._arm()
