"""AsyncioSystemBase: a system base for Thespian that runs its actors in an asyncio event loop.

Use it as `ActorSystem(systemBase=AsyncioSystemBase(), transientUnique=True)`. It is chosen at construction how it runs:

- *Embedded*, when constructed while an asyncio loop runs in this thread (or with `loop=`): the actors run in that
  loop. `tell` just enqueues. A synchronous `ask` or `listen` from the loop's own thread hands out messages and due
  wakeups itself until there is an answer; the loop's coroutines and sockets stand still meanwhile, so an answer that
  needs one of them cannot come. Embedded programs should rather use endpoints. Other threads may ask, tell and listen.
- *On its own*, when there is no running loop: a loop in a daemon thread, started at first use.

An actor that asks synchronously in a handler gets the treatment of the loop's own thread; the actor itself can't
handle anything before its handler has returned.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import logging
import sys
import time
from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import Any, TypeVar

from thespian.actors import (
    ActorExitRequest,
    ActorSystemFailure,
    ThespianGeneration,
    ValidatedSource,
)
from thespian.system.timing import timePeriodSeconds

from openoutcry.actors.system.cell import Cell
from openoutcry.actors.system.external import Endpoint, ExternalMailbox, PrivateExternal
from openoutcry.actors.system.inline import hand_out_until_answered
from openoutcry.actors.system.kernel import Kernel
from openoutcry.actors.system.lifecycle import Nursery
from openoutcry.actors.system.loop_thread import LoopThread
from openoutcry.actors.system.reference import ActorReference
from openoutcry.actors.system.scheduler import Scheduler
from openoutcry.actors.system.sources import SourceStore
from openoutcry.actors.system.status import answer_status_request
from openoutcry.actors.system.timers import Timer

_logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_LOOK_FOR_THE_END_EVERY_S = 1.0
_PATIENCE_WITH_CANCELLED_TASKS_S = 10.0
_MESSAGES_AFTER_THE_LAST_EXIT = 10_000


class AsyncioSystemBase:
    """A complete Thespian system base in one process and one thread. See the module's docstring."""

    def __init__(
        self,
        capabilities: dict[str, Any] | None = None,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        scheduler: Scheduler | None = None,
    ) -> None:
        self.capabilities: dict[str, Any] = {
            **(capabilities or {}),
            "Python Version": tuple(sys.version_info),
            "Thespian Generation": ThespianGeneration,
            "Thespian Version": str(int(time.time() * 1000)),
            "Thespian ActorSystem Name": "openoutcry.AsyncioSystemBase",
            "Thespian ActorSystem Version": 1,
            "Thespian Watch Supported": False,
            "AllowRemoteActorSources": "No",
        }
        self._loop_thread: LoopThread | None = None
        running = _running_loop()
        if loop is None:
            loop = running
        if loop is None:
            loop = asyncio.new_event_loop()
            self._loop_thread = LoopThread(loop)
        self.loop = loop
        kernel = self._kernel = Kernel(loop, scheduler)
        if loop is running:
            kernel.thread = get_ident()
        kernel.on_status_request = partial(answer_status_request, kernel)
        kernel.system_cell.occupy(_SystemAddress(self))
        self.systemAddress = kernel.system_cell.address
        self._sources = SourceStore(kernel)
        self._nursery = Nursery(
            kernel, self.capabilities, self._sources.load_module, self._attach, self._sources.forget
        )
        self._external, self._external_mailbox = self._open_external("System:ExternalRequester")
        self._mailboxes: dict[str, ExternalMailbox] = {"System:ExternalRequester": self._external_mailbox}
        self._external_numbers = itertools.count(1)
        self._endpoint_numbers = itertools.count(1)

    @property
    def actorRegistry(self) -> dict[str, Cell]:  # noqa: N802 (Thespian's name)
        """All cells by address string, as Thespian's test helpers look them up."""
        return self._kernel.cells

    # Called by ActorSystem

    def tell(self, address: Any, message: Any) -> None:
        """Send from outside."""
        self.send_from_outside(self._external.address, address, message)

    def ask(self, address: Any, message: Any, timeout: Any = None) -> Any | None:
        """Send, and return the next message to the outside; None after `timeout` (a timedelta or seconds)."""
        self.tell(address, message)
        return self.listen(timeout)

    def listen(self, timeout: Any = None) -> Any | None:
        """Return the next message to the outside; None after `timeout` (a timedelta or seconds).

        Without a time-out this waits for ever, but in the loop's own thread it returns None when all mailboxes are
        empty.
        """
        return self.wait_for_answer(self._external_mailbox, timeout)

    def newPrimaryActor(  # noqa: N802 (Thespian's name)
        self, actor_class: Any, requirements: Any = None, global_name: str | None = None, source_hash: str | None = None
    ) -> Any:
        """Create an actor directly under the system, in the loop's thread, and return its address."""
        return self._in_loop(lambda: self._nursery.create_primary(actor_class, requirements, global_name, source_hash))

    def external_clone(self) -> PrivateExternal:
        """Return what `ActorSystem.private()` uses."""

        def open_private() -> PrivateExternal:
            name = f"System:ExternalRequester:{next(self._external_numbers)}"
            cell, mailbox = self._open_external(name)
            self._mailboxes[name] = mailbox
            return PrivateExternal(self, cell, mailbox)

        return self._in_loop(open_private)

    def updateCapability(self, name: str, value: Any = None) -> None:  # noqa: N802 (Thespian's name)
        """Set a capability; None removes it."""
        if value is None:
            self.capabilities.pop(name, None)
        else:
            self.capabilities[name] = value

    def loadActorSource(self, file: Any) -> str:  # noqa: N802 (Thespian's name)
        """Read a zip file of sources (a path or a binary file), pass it to the source authority, return its hash."""
        return self._in_loop(lambda: self._sources.submit(file))

    def unloadActorSource(self, source_hash: str) -> None:  # noqa: N802 (Thespian's name)
        """Forget a loaded source."""
        self._in_loop(lambda: self._sources.unload(source_hash))

    def registerSourceAuthority(self, address: Any) -> None:  # noqa: N802 (Thespian's name)
        """Make the actor at `address` the one that validates sources."""
        self._in_loop(lambda: self._sources.set_authority(address))

    def registerSourceNotifications(self, address: Any, enable: bool) -> None:  # noqa: N802 (Thespian's name)
        """Start or stop telling an actor of sources."""
        self._in_loop(lambda: self._sources.listen(address, enable))

    def _handleDeadLetters(self, address: Any, enable: bool) -> None:  # noqa: N802 (Thespian's name)
        def change() -> None:
            cell = self._kernel.find(address)
            if enable:
                self._kernel.dead_letter_handler = cell
            elif cell is self._kernel.dead_letter_handler:
                self._kernel.dead_letter_handler = None

        self._in_loop(change)

    def shutdown(self) -> None:
        """End all actors and, where the loop is our own, the loop and its thread. A second call does nothing.

        In an embedded system the tasks of actors are cancelled here, but end only when the loop gets its turn: `aclose`
        waits for them. Called by an actor, the system ends when its handler has returned.
        """
        kernel = self._kernel
        if kernel.closed:
            return
        if kernel.depth and kernel.thread == get_ident():
            kernel.loop.call_soon(self.shutdown)
            return
        if self._loop_thread is None:
            self._in_loop(self._end_everything)
            return
        self._loop_thread.start()
        if kernel.thread == get_ident():
            self._end_everything()
            self._end_own_loop()
            return
        self._in_loop(self._end_everything)
        last = asyncio.run_coroutine_threadsafe(kernel.tasks.wait_for_the_last(), kernel.loop)
        if concurrent.futures.wait((last,), _PATIENCE_WITH_CANCELLED_TASKS_S).not_done:
            last.cancel()
            _logger.warning("Coroutines of actors would not end when they were cancelled: %s", kernel.tasks.running)
        self._loop_thread.stop()

    async def aclose(self) -> None:
        """Shut an embedded system down and wait until every task of its actors has ended."""
        self.shutdown()
        await self._kernel.tasks.wait_for_the_last()

    async def vanish(self) -> None:
        """End an embedded system as the death of its process would: nobody hears of it, and no handler runs again.

        For simulations. What actors hold outside (files, sockets) is theirs to give back, before this.
        """
        kernel = self._kernel
        kernel.closed = True
        kernel.timers.close()
        for cell in tuple(kernel.cells.values()):
            kernel.tasks.cancel_all_of(cell)
            cell.instance = None
            cell.address.cell = None
            cell.mailbox.clear()
        kernel.cells.clear()
        kernel.ready.clear()
        kernel.dead_letter_handler = None
        await kernel.tasks.wait_for_the_last()

    # Ours: endpoints, timers, figures

    def open_endpoint(self, receive: Callable[[object, Any], None], name: str = "") -> Any:
        """Return a new address; `receive(message, sender)` is called, in the loop's thread, for each message to it."""

        def open_it() -> Any:
            cell = Cell(self._kernel, f"System:Endpoint:{next(self._endpoint_numbers)}:{name}", mortal=False)
            cell.occupy(Endpoint(receive, name))
            return self._kernel.add_cell(cell).address

        return self._in_loop(open_it)

    def close_endpoint(self, address: Any) -> None:
        """Give up an endpoint: its waiting messages, and those still to come, are dead letters."""

        def close_it() -> None:
            text = address.actorAddressString
            cell = self._kernel.cells.pop(text, None)
            self._mailboxes.pop(text, None)
            if cell is not None:
                cell.address.cell = None
                leftover = tuple(cell.mailbox)
                cell.mailbox.clear()
                for message, _ in leftover:
                    self._kernel.dead_letter(cell.address, message)

        self._in_loop(close_it)

    def send_from(self, endpoint_address: Any, target: Any, message: Any) -> None:
        """Send with an endpoint as the sender."""
        self.send_from_outside(endpoint_address, target, message)

    def mailbox_depth(self, address: Any) -> int:
        """Return how many messages wait for the actor at `address`; 0 if it has exited."""
        cell = self._kernel.find(address)
        return len(cell.mailbox) if cell is not None else 0

    def call_later(self, address: Any, delay_s: float, message: Any) -> Timer:
        """Deliver `message` to an actor, from itself, in `delay_s` seconds, unless cancelled or the actor exits first.

        Raises:
            ActorSystemFailure: nobody lives at `address`.
        """
        cell = self._kernel.find(address)
        if cell is None:
            raise ActorSystemFailure(f"No timer can be set for {address}: it has exited")
        return self.add_timer(cell, delay_s, message)

    # For the other modules of this package

    def add_timer(self, cell: Cell, delay_s: float, message: Any) -> Timer:
        """Set a timer for a living cell."""
        return self._in_loop(lambda: self._kernel.timers.add(cell, delay_s, message))

    def create_child(
        self, parent: Cell, actor_class: Any, requirements: Any, global_name: str | None, source_hash: str | None
    ) -> Any:
        """Create a child of `parent` and return its address."""
        return self._in_loop(
            lambda: self._nursery.create_child(parent, actor_class, requirements, global_name, source_hash)
        )

    def send_from_outside(self, sender: Any, target: Any, message: Any) -> None:
        """Send, from any thread, keeping the order of that thread's messages."""
        kernel = self._kernel
        if kernel.closed:
            return
        if self._on_loop_side():
            kernel.send(target, message, sender)
        else:
            self._start()
            kernel.call_in_loop(lambda: kernel.send(target, message, sender))

    def wait_for_answer(self, mailbox: ExternalMailbox, timeout: Any) -> Any | None:
        """Wait for a message to an external mailbox in the way that fits the calling thread."""
        timeout_s = None if timeout is None else timePeriodSeconds(timeout)
        if self._on_loop_side():
            return hand_out_until_answered(self._kernel, mailbox, timeout_s)
        self._start()
        return mailbox.wait(timeout_s)

    # Inside

    def _attach(self, cell: Cell) -> ActorReference:
        return ActorReference(self, cell)

    def _open_external(self, name: str) -> tuple[Cell, ExternalMailbox]:
        mailbox = ExternalMailbox()
        cell = Cell(self._kernel, name, mortal=False)
        cell.occupy(mailbox)
        return self._kernel.add_cell(cell), mailbox

    def _on_loop_side(self) -> bool:
        """Tell whether the caller may touch the kernel: it is in the loop's thread, or the loop stands still."""
        if self._kernel.thread == get_ident():
            return True
        if _running_loop() is self.loop:
            self._kernel.thread = get_ident()
            return True
        return self._loop_thread is None and not self.loop.is_running()

    def _start(self) -> None:
        if self._loop_thread is not None and not self._kernel.closed:
            self._loop_thread.start()

    def _in_loop(self, call: Callable[[], _Result]) -> _Result:
        """Run `call` in the loop's thread and return what it returns, or raise what it raises."""
        if self._on_loop_side():
            return call()
        if self._kernel.closed:
            raise ActorSystemFailure("The actor system has been shut down")
        self._start()
        outcome: concurrent.futures.Future[_Result] = concurrent.futures.Future()

        def run() -> None:
            try:
                outcome.set_result(call())
            except BaseException as error:  # noqa: BLE001 (it is the caller's, in another thread)
                outcome.set_exception(error)

        self._kernel.call_in_loop(run)
        while not concurrent.futures.wait((outcome,), _LOOK_FOR_THE_END_EVERY_S).done:
            if self._kernel.closed or self.loop.is_closed():
                raise ActorSystemFailure("The actor system was shut down meanwhile")
        return outcome.result()

    def _end_everything(self) -> None:
        kernel = self._kernel
        if kernel.closed:
            return
        # Whoever is left after these rounds keeps creating actors while it is told to go.
        for _ in range(16):
            roots = self._nursery.roots()
            if not roots:
                break
            for cell in roots:
                kernel.post(cell, ActorExitRequest(), self.systemAddress)
            while self._nursery.living() and kernel.step():
                pass
        for cell in self._nursery.living():
            _logger.warning("%s was ended without being asked: it would not go", cell.address)
            self._nursery.end(cell, recursive=False)
        for _ in range(_MESSAGES_AFTER_THE_LAST_EXIT):
            if not kernel.step():
                break
        self._sources.unload_all()
        kernel.closed = True
        kernel.timers.close()
        for mailbox in self._mailboxes.values():
            mailbox.close()

    def _end_own_loop(self) -> None:
        async def end() -> None:
            await self._kernel.tasks.wait_for_the_last()
            self.loop.stop()

        self._last_task = self.loop.create_task(end())


class _SystemAddress:
    """What answers under the address of the system itself."""

    def __init__(self, base: AsyncioSystemBase) -> None:
        self._base = base

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 (Thespian's name)
        """Take validated sources in; nothing else is of interest."""
        if isinstance(message, ValidatedSource):
            self._base._sources.accept(message.sourceHash, message.sourceZip)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
