"""A cell: one actor (or endpoint) with its mailbox and its place in the tree."""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from openoutcry.actors.system.address import CellAddress

if TYPE_CHECKING:
    import asyncio

    from openoutcry.actors.ports.promise import Promise
    from openoutcry.actors.system.kernel import Kernel
    from openoutcry.actors.system.timers import Timer

Letter = tuple[Any, Any]
"""A message and the address of its sender."""


class Cell:
    """What the kernel keeps of one actor.

    `idle` is true while the cell is neither queued to run nor running: whoever posts to an idle cell queues it. With
    `limit` letters in its mailbox the actor decides what gives way to the next one.
    """

    __slots__ = (
        "__weakref__",
        "address",
        "children",
        "children_ever",
        "global_name",
        "idle",
        "instance",
        "kernel",
        "limit",
        "mailbox",
        "mortal",
        "never_retry",
        "parent",
        "source_hash",
        "tasks",
        "timers",
    )

    def __init__(self, kernel: Kernel, text: str, parent: Cell | None = None, *, mortal: bool = True) -> None:
        self.kernel = kernel
        self.address = CellAddress(text, self)
        self.parent = parent
        self.mortal = mortal
        self.instance: Any = None
        self.mailbox: deque[Letter] = deque()
        self.limit = sys.maxsize
        self.idle = True
        self.never_retry = False
        self.global_name: str | None = None
        self.source_hash: str | None = None
        # Children in the order of their creation. The count only grows: it makes the names of new children.
        self.children: dict[Cell, None] = {}
        self.children_ever = 0
        self.timers: set[Timer] = set()
        # In the order of their start: that is how they are cancelled, so that a run can be repeated.
        self.tasks: dict[asyncio.Task[Any] | Promise[Any], None] = {}

    def occupy(self, instance: Any) -> None:
        """Put the actor in, and read from its class how its mailbox is to behave."""
        self.instance = instance
        actor_class = type(instance)
        self.never_retry = bool(getattr(actor_class, "never_retry", False))
        limit = getattr(actor_class, "mailbox_limit", None)
        self.limit = sys.maxsize if limit is None else limit

    def __repr__(self) -> str:
        return (
            f"<cell {self.address.actorAddressString} of {type(self.instance).__name__}, {len(self.mailbox)} waiting>"
        )
