"""The kernel: hands each actor its messages, one at a time, from inside an asyncio event loop.

Cells with mail queue in `ready`. One callback of the loop, the drain, works the queue off for a limited number of
messages and a limited time, then lets the loop see to its sockets and timers before it goes on.

Threads: everything here happens in the loop's thread, except `post` and `ActorReference.actor_send` (a mailbox and the
ready queue are deques, whose `append` is atomic, and whoever goes idle looks again for mail that came meanwhile) and
`call_in_loop`.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import Any

from thespian.actors import (
    ActorExitRequest,
    ActorSystemMessage,
    ChildActorExited,
    DeadEnvelope,
    PoisonMessage,
    Thespian_StatusReq,
)

from openoutcry.actors.system.cell import Cell
from openoutcry.actors.system.scheduler import Scheduler
from openoutcry.actors.system.tasks import TaskKeeper
from openoutcry.actors.system.timers import TimerQueue

_logger = logging.getLogger(__name__)

MESSAGES_A_DRAIN = 256
SECONDS_A_DRAIN = 0.002
# What one cell may handle before the others get their turn, and what goes by between looks at the clock.
MESSAGES_A_TURN = 32
_A_TURN = range(MESSAGES_A_TURN)

# As Thespian's simpleSystemBase does it.
ATTEMPTS = 3
ATTEMPTS_WITH_POISON = 2

_PLAIN_TYPES_KEPT = 4096


class Kernel:
    """The mailboxes, the ready queue and the drain of one actor system."""

    def __init__(self, loop: asyncio.AbstractEventLoop, scheduler: Scheduler | None = None) -> None:
        self.loop = loop
        self.scheduler = scheduler
        self.ready: deque[Cell] = deque()
        self.cells: dict[str, Cell] = {}
        self.timers = TimerQueue(loop, self.post_to_self)
        self.tasks = TaskKeeper(loop, self.post_to_self)
        self.dead_letter_handler: Cell | None = None
        self.on_exit_request: Callable[[Cell, Any], None] = lambda cell, message: None
        self.on_status_request: Callable[[Cell, Any], None] = lambda cell, sender: None
        self.system_cell = self.add_cell(Cell(self, "/ActorSys", mortal=False))
        self.closed = False
        # True from the moment a drain is asked for until one ends with nothing left to do.
        self.awake = False
        # How many handlers are on the stack: more than one where a handler asks synchronously.
        self.depth = 0
        # The loop's thread; unknown until the loop has run for the first time.
        self.thread: int | None = None
        self.news_for_inline_wait = threading.Event()
        self._inbox: deque[Callable[[], None]] = deque()
        # Drains run in a context of their own, not in that of whoever happened to send the first message.
        self._context = contextvars.copy_context()
        self._plain_types: set[type] = set()

    def add_cell(self, cell: Cell) -> Cell:
        """Make `cell` reachable under its address."""
        self.cells[cell.address.actorAddressString] = cell
        return cell

    # Sending

    def find(self, address: Any) -> Cell | None:
        """Return the living cell behind any kind of address, of this system or, if it is attached, of another."""
        cell: Cell | None = getattr(address, "cell", None)
        if cell is not None:
            return cell
        return self.cells.get(address.actorAddressString)

    def send(self, target: Any, message: Any, sender: Any) -> None:
        """Send to an address, whatever has become of the actor behind it."""
        cell = self.find(target)
        if cell is None:
            self.dead_letter(target, message)
        elif cell.kernel is self:
            self.post(cell, message, sender)
        else:
            other = cell.kernel
            other.call_in_loop(lambda: other.send(target, message, sender))

    def post(self, cell: Cell, message: Any, sender: Any) -> None:
        """Put a message into a mailbox of this system and see to it that it is handled."""
        if len(cell.mailbox) < cell.limit or isinstance(message, ActorSystemMessage):
            cell.mailbox.append((message, sender))
        else:
            self._overflow(cell, message, sender)
        if cell.idle:
            cell.idle = False
            self.ready.append(cell)
            if not self.awake:
                self.wake()

    def post_to_self(self, cell: Cell, message: Any) -> None:
        """Post what an actor has arranged for itself: a timer, the result of a coroutine."""
        self.post(cell, message, cell.address)

    def dead_letter(self, target: Any, message: Any) -> None:
        """Give a message to nobody to the dead letter handler, or drop it where there is none."""
        handler = self.dead_letter_handler
        if handler is None:
            return
        if isinstance(message, DeadEnvelope):
            # A letter that the handler of dead letters could not take itself would go round for ever.
            return
        self.post(handler, DeadEnvelope(target, message), self.system_cell.address)

    def _overflow(self, cell: Cell, message: Any, sender: Any) -> None:
        """Let an actor with a full mailbox decide what gives way. Its decision belongs into the loop's thread."""
        if self.thread is not None and get_ident() != self.thread:
            self.call_in_loop(lambda: self.post(cell, message, sender))
            return
        instance = cell.instance
        if instance is None:
            return
        try:
            instance.mailbox_overflow(cell.mailbox, message, sender)
        except Exception:
            _logger.exception("%s could not handle the overflow of its mailbox; the message is lost", cell.address)

    # Waking

    def wake(self) -> None:
        """Have the loop run a drain soon. From any thread."""
        self.awake = True
        if self.closed:
            return
        in_loop = get_ident() == self.thread
        if not in_loop:
            self.news_for_inline_wait.set()
        call_soon = self.loop.call_soon if in_loop else self.loop.call_soon_threadsafe
        try:
            call_soon(self._drain, context=self._context)
        except RuntimeError:
            # The loop is closed. What is posted now is handled if somebody still asks synchronously, or shuts down.
            _logger.debug("A message came after the end of the loop")

    def wait_for_news(self, timeout_s: float) -> bool:
        """Sleep in the loop's thread, in a synchronous ask, until another thread brings something."""
        # Whoever posts meanwhile must not think that a drain will see to it: we hold it up.
        awake, self.awake = self.awake, False
        if not self.ready and not self._inbox:
            self.news_for_inline_wait.wait(timeout_s)
        news = self.news_for_inline_wait.is_set()
        self.news_for_inline_wait.clear()
        self.awake = self.awake or awake
        return news or bool(self.ready or self._inbox)

    def call_in_loop(self, call: Callable[[], None]) -> None:
        """Have `call` run in the loop's thread before the next message, also while a synchronous ask holds it up."""
        if self.closed:
            return
        self._inbox.append(call)
        self.wake()

    # Running

    def _drain(self) -> None:
        self.thread = get_ident()
        try:
            if self._inbox:
                self._take_inbox()
            if self.scheduler is None:
                self._run_ready_cells()
            else:
                for _ in range(MESSAGES_A_DRAIN):
                    if not self.step():
                        break
        finally:
            if self.closed:
                self.awake = False
            elif self.ready or self._inbox:
                self.awake = True
                self.loop.call_soon(self._drain, context=self._context)
            else:
                self.awake = False
                # Another thread may have posted between the look and the flag.
                if self.ready or self._inbox:
                    self.wake()

    def _run_ready_cells(self) -> None:
        # `post`, `_deliver` and `_release` are unrolled here: this loop is what a hop costs.
        ready = self.ready
        clock = self.loop.time
        plain_types = self._plain_types
        left = MESSAGES_A_DRAIN
        next_look = left - MESSAGES_A_TURN
        deadline = clock() + SECONDS_A_DRAIN
        self.depth += 1
        try:
            while ready:
                cell = ready.popleft()
                mailbox = cell.mailbox
                number = 0
                try:
                    for number in _A_TURN if mailbox else ():  # noqa: B007 (read below)
                        message, sender = mailbox.popleft()
                        if message.__class__ in plain_types:
                            try:
                                cell.instance.receiveMessage(message, sender)
                            except Exception as error:  # noqa: BLE001 (whatever an actor raises is its own failure)
                                self._failed(cell, message, sender, error)
                        else:
                            self._deliver(cell, message, sender)
                        if not mailbox:
                            break
                finally:
                    if mailbox:
                        ready.append(cell)
                    else:
                        cell.idle = True
                        if mailbox:
                            self._release(cell)
                left -= number + 1
                if left <= next_look:
                    if left <= 0 or self._inbox or clock() >= deadline:
                        return
                    next_look = left - MESSAGES_A_TURN
        finally:
            self.depth -= 1

    def _release(self, cell: Cell) -> None:
        """Let a cell that has had its turn queue again or rest; look twice, another thread may be posting."""
        if not cell.mailbox:
            cell.idle = True
            if not (cell.mailbox and cell.idle):
                return
            cell.idle = False
        self.ready.append(cell)

    def step(self) -> bool:
        """Handle one message of one cell; return False if nobody has mail."""
        if self._inbox:
            self._take_inbox()
        ready = self.ready
        if not ready:
            return False
        index = self.scheduler.pick(ready) if self.scheduler is not None else 0
        cell = ready[index]
        del ready[index]
        self.depth += 1
        try:
            if cell.mailbox:
                message, sender = cell.mailbox.popleft()
                self._deliver(cell, message, sender)
        finally:
            self.depth -= 1
            self._release(cell)
        return True

    def _take_inbox(self) -> None:
        inbox = self._inbox
        while inbox:
            call = inbox.popleft()
            try:
                call()
            except Exception:
                _logger.exception("A call into the loop of the actors failed")

    # Delivering

    def _deliver(self, cell: Cell, message: Any, sender: Any) -> None:
        if isinstance(message, Thespian_StatusReq):
            self.on_status_request(cell, sender)
            return
        if isinstance(message, ActorExitRequest) and cell.mortal:
            self.on_exit_request(cell, message)
            return
        if not isinstance(message, ActorSystemMessage):
            if len(self._plain_types) >= _PLAIN_TYPES_KEPT:
                self._plain_types.clear()
            self._plain_types.add(message.__class__)
        try:
            cell.instance.receiveMessage(message, sender)
        except Exception as error:  # noqa: BLE001 (whatever an actor raises is its own failure)
            self._failed(cell, message, sender, error)

    def _failed(self, cell: Cell, message: Any, sender: Any, error: Exception) -> None:
        """Try again as simpleSystemBase does, then send the sender what its message did.

        The attempts follow each other at once: a later message of the same sender never overtakes.
        """
        attempts = 1
        allowed = ATTEMPTS_WITH_POISON if isinstance(message, PoisonMessage) else ATTEMPTS
        while True:
            if cell.instance is None:
                return
            _logger.warning("%s failed on %s (attempt %d)", cell.address, type(message), attempts, exc_info=error)
            if cell.never_retry:
                return
            if attempts == allowed:
                break
            attempts += 1
            try:
                cell.instance.receiveMessage(message, sender)
            except Exception as next_error:  # noqa: BLE001 (likewise)
                error = next_error
            else:
                return
        if not isinstance(message, (PoisonMessage, ChildActorExited)):
            details = "".join(traceback.format_exception(error))
            self.send(sender, PoisonMessage(message, details), cell.address)
