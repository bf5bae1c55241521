"""The address of an actor in an AsyncioSystemBase: a Thespian address that knows its cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thespian.actors import ActorAddress

if TYPE_CHECKING:
    from openoutcry.actors.system.cell import Cell


class CellAddress(ActorAddress):
    """A hashable `thespian.actors.ActorAddress` with a direct way to the mailbox behind it.

    While the actor lives, `cell` is its cell, so that sending needs no look-up. After its exit, and in a copy that was
    pickled, `cell` is None and the address is resolved by its string. It equals every Thespian address of the
    same string, except the living address of an actor in another system.
    """

    __slots__ = ("cell",)

    def __init__(self, text: str, cell: Cell | None = None) -> None:
        super().__init__(text)
        self.cell = cell

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, ActorAddress):
            return False
        if isinstance(other, CellAddress) and self.cell is not None and other.cell is not None:
            return self.cell is other.cell
        return bool(self._aaddr == other.addressDetails)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._aaddr)

    def __repr__(self) -> str:
        return f"CellAddress({self._aaddr!r})"

    def __copy__(self) -> CellAddress:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> CellAddress:
        return self

    def __reduce__(self) -> tuple[type[CellAddress], tuple[str]]:
        return CellAddress, (self._aaddr,)
