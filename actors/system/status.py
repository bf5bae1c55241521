"""The answer to Thespian's question after an actor's state."""

from __future__ import annotations

from typing import Any

from thespian.actors import Thespian_ActorStatus
from thespian.system.timing import ExpirationTimer

from openoutcry.actors.system.cell import Cell
from openoutcry.actors.system.kernel import Kernel


def answer_status_request(kernel: Kernel, cell: Cell, sender: Any) -> None:
    """Send `sender` the actor's children, waiting messages and pending wakeups."""
    status = Thespian_ActorStatus(cell.address, type(cell.instance).__name__, kernel.system_cell.address)
    now = kernel.loop.time()
    status.addWakeups([(cell.address, ExpirationTimer(max(0.0, timer.when - now))) for timer in cell.timers])
    for child in cell.children:
        status.addChild(child.address)
    for message, source in cell.mailbox:
        status.addPendingMessage(source, cell.address, message)
    kernel.send(sender, status, cell.address)
