"""From bytes to typed values: one decoder a shape, and one exception for all that can be wrong."""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import msgspec

from openoutcry.exchanges.dialect import MalformedPayload

DECODING_ERRORS = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)
"""All that decoding arbitrary bytes can raise: a Decimal out of range is an ArithmeticError, JSON nested too deep a
RecursionError."""

NOTHING = msgspec.Raw(b"")
"""Of a field that is kept as it came, and did not come."""

LARGEST_EXPONENT = 40
"""An amount is below 1e41 and has at most 40 decimals. Beyond that lies an attack on Decimal arithmetic."""

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
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) is Decimal:
                check_amount(value, name, may_be_negative=name in self.may_be_negative)


def check_amount(value: Decimal, name: str, *, may_be_negative: bool = False) -> None:
    """Raise ValueError unless the Decimal can be an amount of money."""
    exponent = value.as_tuple().exponent
    if (
        not isinstance(exponent, int)
        or exponent < -LARGEST_EXPONENT
        or (value and value.adjusted() > LARGEST_EXPONENT)
        or (not value and exponent > LARGEST_EXPONENT)
    ):
        raise ValueError(f"{name} is no amount")
    if value < 0 and not may_be_negative:
        raise ValueError(f"{name} is negative")


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
