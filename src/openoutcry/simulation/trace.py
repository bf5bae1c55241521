"""The trace of a run: who received what when, as lines a person can read, and one hash over all of them."""

import hashlib
from collections.abc import Callable
from typing import Any, TextIO

from openoutcry.actors.runtime.requests import Answer, Ask
from openoutcry.actors.system.cell import Cell

_FACTS = (
    "client_order_id",
    "trading_pair",
    "topic",
    "state",
    "number",
    "trade_id",
    "sequence",
    "last_number",
    "role",
    "generation",
    "readiness",
    "decision",
    "rule",
    "offset_ms",
    "reason",
)
"""Fields that tell most about a message, of those that have them. Never one that may hold a secret."""


class Trace:
    """Takes down what happens, at the loop's virtual time."""

    def __init__(self, now_s: Callable[[], float], file: TextIO | None = None, folder: str = "") -> None:
        """With a `file`, every line also goes there. `folder` is this run's own, and shown under no name."""
        self.lines = 0
        self._now_s = now_s
        self._file = file
        self._folder = folder
        self._hash = hashlib.blake2b(digest_size=16)
        self._fields: dict[type, tuple[str, ...]] = {}

    @property
    def digest(self) -> str:
        """The hash of all lines so far."""
        return self._hash.hexdigest()

    def note(self, who: str, what: str) -> None:
        """Something happened outside the actors: on the network, to the strategy, a fault."""
        if self._folder and self._folder in what:
            what = what.replace(self._folder, "FOLDER")
        line = f"{self._now_s():14.6f} {who:<12} {what}\n"
        self.lines += 1
        self._hash.update(line.encode())
        if self._file is not None:
            self._file.write(line)

    def received(self, cell: Cell, message: Any, sender: Any) -> None:
        """An actor (or an endpoint) is about to handle a message."""
        self.note(name_of(cell), f"<- {_sender_name(sender)}: {self._describe(message)}")

    def _describe(self, message: Any) -> str:
        if type(message) in (Ask, Answer):
            return f"{type(message).__name__} {message.request_id} {self._describe(message.body)}"
        kind = type(message)
        fields = self._fields.get(kind)
        if fields is None:
            fields = self._fields[kind] = tuple(name for name in _FACTS if _has(message, name))
        if not fields:
            return kind.__name__
        facts = " ".join(f"{name}={getattr(message, name)}" for name in fields)
        return f"{kind.__name__} {facts}"


def name_of(cell: Cell) -> str:
    """The role of a cell's actor, or the name of an endpoint."""
    instance = cell.instance
    name = getattr(instance, "role", "") or getattr(instance, "name", "")
    return str(name) or cell.address.actorAddressString


def _sender_name(sender: Any) -> str:
    cell = getattr(sender, "cell", None)
    return name_of(cell) if cell is not None else str(getattr(sender, "actorAddressString", "nobody"))


def _has(message: Any, name: str) -> bool:
    value = getattr(message, name, None)
    return value is not None and not callable(value)
