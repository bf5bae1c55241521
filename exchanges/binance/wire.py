"""From bytes to typed values: one decoder a shape, and one exception for all that can be wrong."""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, get_args, get_type_hints

import msgspec

from openoutcry.exchanges.dialect import MalformedPayload

DECODING_ERRORS = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)
"""All that decoding arbitrary bytes can raise: a Decimal out of range is an ArithmeticError, JSON nested too deep a
RecursionError."""

NOTHING = msgspec.Raw(b"")
"""Of a field that is kept as it came, and did not come."""

_MOST_DIGITS = 40
_is_sane_exponent = range(-_MOST_DIGITS, _MOST_DIGITS + 1).__contains__
_ZERO = Decimal(0)
_LIMIT = Decimal(10) ** _MOST_DIGITS
"""Digits before and behind the point. Beyond lies no amount but an attack on Decimal arithmetic."""

# msgspec holds the bounds while it decodes, at no measurable cost. No NaN is within any bound.
Price = Annotated[float, msgspec.Meta(gt=0, lt=1e300)]
PriceOrZero = Annotated[float, msgspec.Meta(ge=0, lt=1e300)]
Quantity = Annotated[float, msgspec.Meta(ge=0, lt=1e300)]
UpdateId = Annotated[int, msgspec.Meta(ge=0)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0)]
Identifier = Annotated[int, msgspec.Meta(ge=0)]


class Wire(msgspec.Struct, frozen=True, rename="camel"):
    """Base of the shapes with money in them: each Decimal is finite, of a sane size, and not negative.

    A shape names in `may_be_negative` those of its fields that may.
    """

    may_be_negative: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        # `check_amount`, unrolled: each order has a dozen of them.
        for name, lowest in _amounts_of(type(self)):
            value = getattr(self, name)
            if value is not None and not (lowest <= value < _LIMIT and _is_sane_exponent(value.adjusted())):
                raise ValueError(f"{name} is no amount")


def check_amount(value: Decimal, name: str, *, may_be_negative: bool = False) -> None:
    """Raise ValueError, or for what is no number ArithmeticError, unless the Decimal can be an amount of money."""
    lowest = -_LIMIT if may_be_negative else _ZERO
    if not (lowest <= value < _LIMIT and _is_sane_exponent(value.adjusted())):
        raise ValueError(f"{name} is no amount")


@cache
def _amounts_of(shape: type[Wire]) -> tuple[tuple[str, Decimal], ...]:
    """The fields of a shape that hold money, and the least that each may be."""
    hints = get_type_hints(shape)
    return tuple(
        (name, -_LIMIT if name in shape.may_be_negative else _ZERO)
        for name in shape.__struct_fields__
        if Decimal in (hints[name], *get_args(hints[name]))
    )


def parser(shape: Any, what: str) -> Callable[[bytes | str], Any]:
    """A function from JSON to `shape`. It raises MalformedPayload alone, and names `what` was expected.

    Numbers may be JSON strings, as Binance writes them.
    """
    decode = msgspec.json.Decoder(shape, strict=False).decode

    def parse(payload: bytes | str) -> Any:
        try:
            return decode(payload)
        except DECODING_ERRORS as error:
            raise malformed(what, payload, error) from None

    return parse


def malformed(what: str, payload: bytes | str, why: object) -> MalformedPayload:
    """The error for a payload that is not `what` was expected."""
    return MalformedPayload(f"expected {what}, received {excerpt(payload)}: {why}")


def excerpt(payload: bytes | str, length: int = 120) -> str:
    """The beginning of a payload, to show."""
    shown = ascii(payload[:length])
    return shown if len(payload) <= length else f"{shown}… ({len(payload)} in all)"


def plain(value: Decimal) -> str:
    """A Decimal as Binance takes it: no exponent, no zeros at the end.

    Raises:
        ValueError: it is not finite.
    """
    if not value.is_finite():
        raise ValueError(f"{value} cannot be ordered")
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
