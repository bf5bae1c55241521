"""What an actor holds of the system it lives in: Thespian's `_myRef`, and our additions to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from thespian.actors import Actor, ActorAddress, InvalidActorAddress, WakeupMessage
from thespian.system.timing import timePeriodSeconds

from openoutcry.actors.system.cell import Cell
from openoutcry.actors.system.tasks import OnDone, TaskHandle
from openoutcry.actors.system.timers import Timer

if TYPE_CHECKING:
    from openoutcry.actors.ports.promise import Promise
    from openoutcry.actors.system.base import AsyncioSystemBase
    from openoutcry.actors.system.kernel import Kernel


def _sender_for(own_kernel: Kernel, own_address: Any) -> Callable[[Any, Any], None]:
    """Return the function that sends for one actor: the hot path, `Kernel.post` with the calls unrolled."""
    append_ready = own_kernel.ready.append

    def send(target: Any, message: Any) -> None:
        try:
            cell = target.cell
            kernel = cell.kernel
        except AttributeError:
            # An address as Thespian makes it, a pickled one, that of an actor that has exited, or none at all.
            if not isinstance(target, ActorAddress):
                raise InvalidActorAddress(target, "not a valid ActorAddress for sending messages to") from None
            own_kernel.send(target, message, own_address)
            return
        mailbox = cell.mailbox
        if kernel is not own_kernel or len(mailbox) >= cell.limit:
            own_kernel.send(target, message, own_address)
            return
        mailbox.append((message, own_address))
        if cell.idle:
            cell.idle = False
            append_ready(cell)
            if not own_kernel.awake:
                own_kernel.wake()

    return send


class ActorReference:
    """The operations of one actor on its system. Thespian's `Actor` calls these by the names it gives them."""

    __slots__ = ("_cell", "_kernel", "actor_send", "address", "base")

    def __init__(self, base: AsyncioSystemBase, cell: Cell) -> None:
        self.base = base
        self.address = cell.address
        self._cell = cell
        self._kernel = cell.kernel
        self.actor_send = _sender_for(cell.kernel, cell.address)

    def shorten_send(self, instance: Any) -> None:
        """Let `instance.send` be our sender itself, unless its class sends in a way of its own.

        Thespian's `Actor.send` does nothing but check the type of the address, which our sender does too.
        """
        if getattr(type(instance), "send", None) is Actor.send and hasattr(instance, "__dict__"):
            instance.send = self.actor_send

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop in whose thread all actors of this system run."""
        return self._kernel.loop

    @property
    def globalName(self) -> str | None:  # noqa: N802 (Thespian's name)
        """The actor's global name, if it has one."""
        return self._cell.global_name

    def createActor(  # noqa: N802 (Thespian's name)
        self, actor_class: Any, requirements: Any = None, global_name: str | None = None, source_hash: str | None = None
    ) -> Any:
        """Create a child; if its construction fails, its parent is told that it exited."""
        return self.base.create_child(self._cell, actor_class, requirements, global_name, source_hash)

    def wakeupAfter(self, period: Any, payload: Any = None) -> None:  # noqa: N802 (Thespian's name)
        """Have a `WakeupMessage` delivered after a timedelta or a number of seconds."""
        self.call_later(timePeriodSeconds(period), WakeupMessage(period, payload))

    def call_later(self, delay_s: float, message: Any) -> Timer:
        """Have `message` delivered to this actor, from itself, in `delay_s` seconds, unless the handle is cancelled."""
        return self.base.add_timer(self._cell, delay_s, message)

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any], on_done_message: OnDone) -> TaskHandle:
        """Run a coroutine in the loop; the message made of (result, error) reaches this actor, from itself.

        It is cancelled when the actor exits. A cancelled one delivers nothing.
        """
        return self._kernel.tasks.run(self._cell, coroutine, on_done_message)

    def follow(self, promise: Promise[Any], on_done_message: OnDone) -> Promise[Any]:
        """Do the same with a promise: without a task, and so without waiting for the loop to begin it."""
        return self._kernel.tasks.follow(self._cell, promise, on_done_message)

    def handleDeadLetters(self, address: Any, enable: bool) -> None:  # noqa: N802 (Thespian's name)
        """Become the handler of dead letters, or stop being it."""
        self.base._handleDeadLetters(address, enable)

    def registerSourceAuthority(self, address: Any) -> None:  # noqa: N802 (Thespian's name)
        """Become the authority that validates loaded sources."""
        self.base.registerSourceAuthority(address)

    def notifyOnSourceAvailability(self, address: Any, enable: bool) -> None:  # noqa: N802 (Thespian's name)
        """Be told of sources loaded and unloaded, or no longer."""
        self.base.registerSourceNotifications(address, enable)

    def updateCapability(self, name: str, value: Any) -> None:  # noqa: N802 (Thespian's name)
        """Set a capability of the system; None removes it."""
        self.base.updateCapability(name, value)

    def loadActorSource(self, file: Any) -> str:  # noqa: N802 (Thespian's name)
        """Load a zip file of sources and return its hash."""
        return self.base.loadActorSource(file)

    def unloadActorSource(self, source_hash: str) -> None:  # noqa: N802 (Thespian's name)
        """Forget a loaded source."""
        self.base.unloadActorSource(source_hash)

    def notifyOnSystemRegistrationChanges(self, address: Any, enable: bool) -> None:  # noqa: N802 (Thespian's name)
        """Do nothing: no other system ever joins this one."""

    def preRegisterRemoteSystem(self, address: Any, capabilities: Any) -> None:  # noqa: N802 (Thespian's name)
        """Do nothing: no other system ever joins this one."""

    def deRegisterRemoteSystem(self, address: Any) -> None:  # noqa: N802 (Thespian's name)
        """Do nothing: no other system ever joins this one."""

    def actorSystemShutdown(self) -> None:  # noqa: N802 (Thespian's name)
        """Shut the whole system down as soon as the handler under way has returned."""
        self.base.shutdown()
