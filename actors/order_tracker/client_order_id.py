"""Client order ids: the identity of an order, made by us."""

import random
from itertools import repeat

from openoutcry.exchanges.dialect import ClientOrderIdRule

_PLAIN = "0123456789abcdefghijklmnopqrstuvwxyz"
_NONCE_LENGTH = 7
_SHORTEST_NONCE = 4


class ClientOrderIdError(ValueError):
    """The exchange's rule leaves no room for an id that is unique."""


class ClientOrderIds:
    """Makes ids: the rule's prefix, the time in µs, the nonce of the journal.

    The time rises strictly, also when the clock goes back or two ids are made within a µs, and goes on from the newest
    order of the journal after a restart. The nonce, drawn once for a journal, keeps ids of different processes,
    journals and machines apart.
    """

    __slots__ = ("_base", "_digits", "_last", "_prefix", "_suffix")

    def __init__(self, rule: ClientOrderIdRule, nonce: str, last: int = 0) -> None:
        """`last` is the newest number that was ever used with this nonce.

        Raises:
            ClientOrderIdError: the rule's alphabet or length is too small.
        """
        self._digits = digits_for(rule)
        self._base = len(self._digits)
        self._prefix = rule.prefix
        # 2**51 µs are the year 2041, 2**53 the year 2255.
        room = rule.max_length - len(rule.prefix) - len(_encode(2**53, self._digits))
        if room < _SHORTEST_NONCE:
            raise ClientOrderIdError(
                f"client order ids of {rule.max_length} characters with the prefix {rule.prefix!r} leave {room} for "
                f"the nonce; {_SHORTEST_NONCE} are needed"
            )
        self._suffix = nonce[:room]
        self._last = last

    def next(self, now_ms: int) -> tuple[int, str]:
        """A number that has never been used, and the id made of it."""
        number = now_ms * 1000
        if number <= self._last:
            number = self._last + 1
        self._last = number
        return number, self._prefix + _encode(number, self._digits) + self._suffix


def digits_for(rule: ClientOrderIdRule) -> str:
    """The digits in which numbers are written: base 36 where the exchange allows it."""
    if set(_PLAIN) <= set(rule.alphabet):
        return _PLAIN
    digits = "".join(dict.fromkeys(rule.alphabet))
    if len(digits) < 2:
        raise ClientOrderIdError(f"the alphabet {rule.alphabet!r} is too small")
    return digits


def new_nonce(rule: ClientOrderIdRule, generator: random.Random) -> str:
    """A nonce for a new journal."""
    digits = digits_for(rule)
    return "".join(map(generator.choice, repeat(digits, _NONCE_LENGTH)))


def _encode(number: int, digits: str) -> str:
    base = len(digits)
    text = ""
    while number:
        number, digit = divmod(number, base)
        text = digits[digit] + text
    return text
