"""Coroutines started by actors: their results come back to the actor as messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from openoutcry.actors.system.cell import Cell

if TYPE_CHECKING:
    from openoutcry.actors.ports.promise import Promise

_logger = logging.getLogger(__name__)

OnDone = Callable[[Any | None, BaseException | None], object]
"""Makes, of a coroutine's result and its error (one of them None), the message for the actor."""


class TaskHandle:
    """A coroutine under way for an actor."""

    __slots__ = ("cancelled", "task")

    task: asyncio.Task[None]

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        """Cancel the coroutine; whatever it does then, nothing is delivered."""
        self.cancelled = True
        self.task.cancel()

    def done(self) -> bool:
        """Tell whether the coroutine has ended."""
        return self.task.done()


class TaskKeeper:
    """Holds every task of every actor until it has really ended, also after its actor has gone."""

    def __init__(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[Cell, Any], None]) -> None:
        self._loop = loop
        self._deliver = deliver
        self.running: set[asyncio.Task[Any]] = set()

    def run(self, cell: Cell, coroutine: Coroutine[Any, Any, Any], on_done_message: OnDone) -> TaskHandle:
        """Start `coroutine` as a task of the loop on behalf of `cell`."""
        handle = TaskHandle()
        task = handle.task = self._loop.create_task(self._deliver_what_comes(cell, coroutine, on_done_message, handle))
        self.running.add(task)
        cell.tasks[task] = None

        def ended(task: asyncio.Task[Any]) -> None:
            self.running.discard(task)
            cell.tasks.pop(task, None)
            coroutine.close()  # for a task that was cancelled before it began

        task.add_done_callback(ended)
        return handle

    async def _deliver_what_comes(
        self, cell: Cell, coroutine: Coroutine[Any, Any, Any], on_done_message: OnDone, handle: TaskHandle
    ) -> None:
        """Deliver from within the task: a callback at its end would come one turn of the loop later."""
        result: Any = None
        error: BaseException | None = None
        try:
            result = await coroutine
        except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001 - the actor hears of it
            error = raised
        if handle.cancelled or cell.instance is None:
            return
        try:
            message = on_done_message(result, error)
        except Exception:
            _logger.exception("No message could be made of the result of a coroutine of %s", cell.address)
            return
        self._deliver(cell, message)

    def follow(self, cell: Cell, promise: Promise[Any], on_done_message: OnDone) -> Promise[Any]:
        """Deliver what a promise comes to; it is cancelled with its actor."""
        cell.tasks[promise] = None

        def told(result: Any, error: BaseException | None) -> None:
            cell.tasks.pop(promise, None)
            if cell.instance is not None and not isinstance(error, asyncio.CancelledError):
                self._deliver(cell, on_done_message(result, error))

        promise.listen(told)
        return promise

    def cancel_all_of(self, cell: Cell) -> None:
        """Cancel the tasks of an actor that exits; they end quietly a little later."""
        for task in tuple(cell.tasks):
            task.cancel()

    async def wait_for_the_last(self) -> None:
        """Wait until no task of any actor is left; all of them have been cancelled."""
        while self.running:
            await asyncio.wait(tuple(self.running))
