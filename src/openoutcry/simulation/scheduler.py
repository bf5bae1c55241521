"""The seed decides whose mailbox runs next, and where an actor is killed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from openoutcry.actors.system.cell import Cell
from openoutcry.messages.lifecycle import Crash
from openoutcry.simulation.trace import Trace


@dataclass(slots=True)
class _Kill:
    messages_left: int
    is_after: bool


class SeededScheduler:
    """Picks at random among all actors with mail. Each mailbox keeps its order, and so does each pair of actors."""

    def __init__(self, generator: random.Random, trace: Trace) -> None:
        self.kills = 0
        """Actors killed so far."""
        self._random = generator.random
        self._trace = trace
        self._kills: dict[str, _Kill] = {}

    def kill(self, role: str, messages: int, *, is_after: bool) -> None:
        """Kill the actor of a role at that many messages from now, before or after its effects."""
        self._kills[role] = _Kill(messages, is_after)

    def spare_all(self) -> None:
        """Kill nobody any more."""
        self._kills.clear()

    def pick(self, ready: Sequence[Cell]) -> int:
        """The index of the cell whose oldest message is handled next."""
        count = len(ready)
        index = int(self._random() * count) if count > 1 else 0
        cell = ready[index]
        if cell.mailbox:
            if self._kills:
                self._perhaps_kill(cell)
            message, sender = cell.mailbox[0]
            self._trace.received(cell, message, sender)
        return index

    def _perhaps_kill(self, cell: Cell) -> None:
        role = getattr(cell.instance, "role", None)
        kill = self._kills.get(role) if role is not None else None
        if kill is None or role is None or getattr(cell.instance, "generation", 0) == 0:
            return  # not started yet: there is nothing of it to lose
        kill.messages_left -= 1
        if kill.messages_left > 0:
            return
        del self._kills[role]
        self.kills += 1
        when = "after" if kill.is_after else "before"
        self._trace.note("fault", f"{role} is killed {when} this message")
        letter = (Crash(reason=f"killed {when} a message"), cell.mailbox[0][1])
        cell.mailbox.insert(1 if kill.is_after else 0, letter)
