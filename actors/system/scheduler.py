"""The seam through which a simulation decides who runs next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from openoutcry.actors.system.cell import Cell


class Scheduler(Protocol):
    """Picks the cell whose oldest message is handled next.

    With a scheduler, each pick handles exactly one message: order between actors is the scheduler's to decide,
    order within a mailbox never changes.
    """

    def pick(self, ready: Sequence[Cell]) -> int:
        """Return the index of one of `ready`, which is never empty and holds each cell at most once."""
        ...
