"""Mailboxes of those outside: callers of ask, tell and listen, and endpoints with a callback."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from thespian.system import isInternalActorSystemMessage

if TYPE_CHECKING:
    from openoutcry.actors.system.base import AsyncioSystemBase
    from openoutcry.actors.system.cell import Cell

_logger = logging.getLogger(__name__)


class ExternalMailbox:
    """Answers for a caller outside, which waits for them in a thread of its own.

    As everywhere in Thespian, messages of the actor system itself are not for callers outside and are left out.
    """

    def __init__(self) -> None:
        self._answers: deque[Any] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 (Thespian's name)
        """Take an answer in, and wake one who waits."""
        if isInternalActorSystemMessage(message):
            return
        with self._changed:
            self._answers.append(message)
            self._changed.notify()

    def __len__(self) -> int:
        return len(self._answers)

    def take(self) -> Any | None:
        """Return the oldest answer, or None, without waiting."""
        try:
            return self._answers.popleft()
        except IndexError:
            return None

    def wait(self, timeout_s: float | None) -> Any | None:
        """Return the oldest answer; None if there is none after `timeout_s` seconds, or when the system shuts down."""
        with self._changed:
            self._changed.wait_for(lambda: self._answers or self._closed, timeout_s)
            return self.take()

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Endpoint:
    """Hands the messages sent to its address to a function, in the loop's thread."""

    __slots__ = ("_receive", "name")

    def __init__(self, receive: Callable[[object, Any], None], name: str) -> None:
        self._receive = receive
        self.name = name

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 (Thespian's name)
        """Call the function; what it raises is its owner's fault, not the sender's."""
        try:
            self._receive(message, sender)
        except Exception:
            _logger.exception("The endpoint %s failed on a message", self.name or "without a name")


class PrivateExternal:
    """The system as one thread sees it inside `ActorSystem.private()`: with a mailbox that nobody shares.

    Everything else it passes on to the base.
    """

    def __init__(self, base: AsyncioSystemBase, cell: Cell, mailbox: ExternalMailbox) -> None:
        self._base = base
        self._cell = cell
        self._mailbox = mailbox

    def tell(self, address: Any, message: Any) -> None:
        """Send."""
        self._base.send_from_outside(self._cell.address, address, message)

    def ask(self, address: Any, message: Any, timeout: Any = None) -> Any | None:
        """Send, and return the next message that comes to this mailbox, or None after the time-out."""
        self.tell(address, message)
        return self.listen(timeout)

    def listen(self, timeout: Any = None) -> Any | None:
        """Return the next message that comes to this mailbox, or None after the time-out."""
        return self._base.wait_for_answer(self._mailbox, timeout)

    def exit_context(self) -> None:
        """Give the mailbox up; what is sent to it from now on is a dead letter."""
        self._base.close_endpoint(self._cell.address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._base, name)
