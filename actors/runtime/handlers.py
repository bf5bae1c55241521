"""Handlers declared by message type, found in one dictionary look-up."""

from collections.abc import Callable
from typing import Any, TypeVar

Handler = Callable[[Any, Any, Any], None]
_F = TypeVar("_F", bound=Callable[..., None])

_ATTRIBUTE = "_openoutcry_handles"


def handles(*message_types: type) -> Callable[[_F], _F]:
    """Declare a method as the handler of these message types: `def name(self, message, sender) -> None`.

    The exact type counts, not its bases: a message has one handler and it is seen at its declaration.
    """

    def mark(function: _F) -> _F:
        setattr(function, _ATTRIBUTE, message_types)
        return function

    return mark


def handler_table(actor_class: type) -> dict[type, Handler]:
    """All handlers of a class and its bases, by message type.

    Raises:
        TypeError: one class declares two handlers for a type.
    """
    table: dict[type, Handler] = {}
    for base in reversed(actor_class.__mro__):
        own: dict[type, Handler] = {}
        for function in vars(base).values():
            for message_type in getattr(function, _ATTRIBUTE, ()):
                if message_type in own:
                    raise TypeError(f"{base.__name__} has two handlers for {message_type.__name__}")
                own[message_type] = function
        table.update(own)
    return table
