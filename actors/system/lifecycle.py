"""Birth and death: how actors come into the tree and leave it."""

from __future__ import annotations

import logging
import string
from collections.abc import Callable
from functools import partial
from typing import Any

from thespian.actors import ActorExitRequest, ChildActorExited
from thespian.system.utilis import actualActorClass, withPossibleInitArgs

from openoutcry.actors.system.cell import Cell
from openoutcry.actors.system.kernel import Kernel
from openoutcry.actors.system.reference import ActorReference

_logger = logging.getLogger(__name__)

_LETTERS = string.ascii_letters


def name_of_number(number: int) -> str:
    """Name the nth child as Thespian does: a, b, … Z, ba, …"""
    name = _LETTERS[number % len(_LETTERS)]
    while number := number // len(_LETTERS):
        name = _LETTERS[number % len(_LETTERS)] + name
    return name


class Nursery:
    """Creates the actors of one system, and buries them."""

    def __init__(
        self,
        kernel: Kernel,
        capabilities: dict[str, Any],
        load_module: Callable[[str, str, str], Any],
        attach: Callable[[Cell], ActorReference],
        on_gone: Callable[[Any], None],
    ) -> None:
        """`load_module(source_hash, module, name)` loads a class; `attach(cell)` makes an actor's `_myRef`."""
        self._kernel = kernel
        self._capabilities = capabilities
        self._load_module = load_module
        self._attach = attach
        self._on_gone = on_gone
        self._primaries_ever = 0
        self.global_names: dict[str, Any] = {}
        self.bad_actor = kernel.add_cell(Cell(kernel, "System:BadActor", mortal=False))
        self.bad_actor.occupy(_BadActor())
        kernel.on_exit_request = self.exit

    def create_primary(
        self, actor_class: Any, requirements: Any, global_name: str | None, source_hash: str | None
    ) -> Any:
        """Create an actor directly under the system. What its construction raises, the caller gets."""
        if global_name and global_name in self.global_names:
            return self.global_names[global_name]
        cell = Cell(self._kernel, "/A~" + name_of_number(self._primaries_ever))
        self._primaries_ever += 1
        cell.source_hash = source_hash
        try:
            instance = self._construct(actor_class, requirements, source_hash)
        except Exception:
            _logger.warning("Could not create primary actor %s", actor_class, exc_info=True)
            cell.address.cell = None
            raise
        if instance is None:
            _logger.warning("Primary actor %s does not fit this system's capabilities", actor_class)
            cell.address.cell = None
            return self.bad_actor.address
        self._settle(cell, instance, global_name)
        return cell.address

    def create_child(
        self, parent: Cell, actor_class: Any, requirements: Any, global_name: str | None, source_hash: str | None
    ) -> Any:
        """Create an actor under `parent`, which is told of an exit at once if the construction fails."""
        if global_name and global_name in self.global_names:
            return self.global_names[global_name]
        text = f"{parent.address.actorAddressString}~{name_of_number(parent.children_ever)}"
        parent.children_ever += 1
        cell = Cell(self._kernel, text, parent)
        cell.source_hash = source_hash or parent.source_hash
        try:
            instance = self._construct(actor_class, requirements, cell.source_hash)
        except ImportError:
            _logger.warning("Could not import actor %s (source %s)", actor_class, cell.source_hash, exc_info=True)
            cell.address.cell = None
            raise
        except Exception:
            _logger.warning("Could not create actor %s, child of %s", actor_class, parent.address, exc_info=True)
            instance = None
        if instance is not None and parent.instance is not None:
            parent.children[cell] = None
            self._settle(cell, instance, global_name)
        else:
            cell.address.cell = None
            self._tell_parent(parent, cell.address)
        return cell.address

    def _construct(self, actor_class: Any, requirements: Any, source_hash: str | None) -> Any:
        loader = partial(self._load_module, source_hash) if source_hash else None
        actor_class = actualActorClass(actor_class, loader)
        check = getattr(actor_class, "actorSystemCapabilityCheck", None)
        if check is not None and not check(self._capabilities, requirements or {}):
            return None
        arguments = withPossibleInitArgs(capabilities=self._capabilities, requirements=requirements)
        return arguments.create(actor_class)

    def _settle(self, cell: Cell, instance: Any, global_name: str | None) -> None:
        instance._myRef = reference = self._attach(cell)
        reference.shorten_send(instance)
        cell.occupy(instance)
        self._kernel.add_cell(cell)
        if global_name:
            cell.global_name = global_name
            self.global_names[global_name] = cell.address

    def exit(self, cell: Cell, request: Any) -> None:
        """Let the actor hear the exit request, then end it whatever it did."""
        try:
            cell.instance.receiveMessage(request, self._kernel.system_cell.address)
        except Exception:
            _logger.warning("%s failed while it was asked to exit", cell.address, exc_info=True)
        self.end(cell, recursive=request.isRecursive)

    def end(self, cell: Cell, *, recursive: bool) -> None:
        """End an actor now. Its parent hears of it when the children that go with it are gone too."""
        if cell.instance is None:
            return
        kernel = self._kernel
        address = cell.address
        cell.instance = None
        address.cell = None
        kernel.cells.pop(address.actorAddressString, None)
        if kernel.dead_letter_handler is cell:
            kernel.dead_letter_handler = None
        if cell.global_name is not None and self.global_names.get(cell.global_name) is address:
            del self.global_names[cell.global_name]
        self._on_gone(address)
        for timer in tuple(cell.timers):
            timer.cancel()
        kernel.tasks.cancel_all_of(cell)
        leftover = tuple(cell.mailbox)
        cell.mailbox.clear()
        for message, _ in leftover:
            if not isinstance(message, (ActorExitRequest, ChildActorExited)):
                kernel.dead_letter(address, message)
        if recursive:
            for child in cell.children:
                kernel.post(child, ActorExitRequest(), kernel.system_cell.address)
        else:
            for child in cell.children:
                child.parent = None
            cell.children.clear()
        self._leave_tree(cell)

    def _leave_tree(self, cell: Cell) -> None:
        while cell.instance is None and not cell.children:
            parent = cell.parent
            if parent is None:
                return
            cell.parent = None
            parent.children.pop(cell, None)
            self._tell_parent(parent, cell.address)
            cell = parent

    def _tell_parent(self, parent: Cell, address: Any) -> None:
        if parent.instance is not None:
            self._kernel.post(parent, ChildActorExited(address), self._kernel.system_cell.address)

    def roots(self) -> list[Cell]:
        """Return the living actors that no living actor has as its child."""
        return [c for c in self._kernel.cells.values() if c.mortal and (c.parent is None or c.parent.instance is None)]

    def living(self) -> list[Cell]:
        """Return the cells of all living actors."""
        return [cell for cell in self._kernel.cells.values() if cell.mortal]


class _BadActor:
    """What `createActor` returns the address of when no actor could be made: it throws everything away."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 (Thespian's name)
        """Discard."""
