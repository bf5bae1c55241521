"""Typed decoding of what Binance sends: whatever is not as documented becomes `MalformedPayload`."""

from decimal import Decimal
from typing import Annotated, Generic, TypeVar

import msgspec

from openoutcry.exchanges.dialect import MalformedPayload

_T = TypeVar("_T")

Price = Annotated[float, msgspec.Meta(gt=0, le=1e15)]
"""Checked while decoding, at no cost that could be measured: NaN and infinities fail it too."""

Amount = Annotated[float, msgspec.Meta(ge=0, le=1e18)]

PriceLevel = tuple[Price, Amount]

UpdateId = Annotated[int, msgspec.Meta(ge=0)]


class Parser(Generic[_T]):
    """Decodes one kind of payload; numbers in strings become numbers."""

    __slots__ = ("_decoder", "_what")

    def __init__(self, kind: type[_T], what: str) -> None:
        self._decoder = msgspec.json.Decoder(kind, strict=False)
        self._what = what

    def parse(self, body: bytes | str) -> _T:
        """The payload.

        Raises:
            MalformedPayload: it is not what the exchange documents.
        """
        try:
            return self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise MalformedPayload(f"expected {self._what}: {error}; received {excerpt(body)}") from None


def excerpt(body: bytes | str) -> str:
    """The beginning of a payload, to show a person."""
    return repr(body[:120]) + (" …" if len(body) > 120 else "")


def finite(value: Decimal, what: str) -> Decimal:
    """A number that is one.

    Raises:
        MalformedPayload: NaN or an infinity.
    """
    if not value.is_finite():
        raise MalformedPayload(f"expected a finite {what}, received {value}")
    return value


def not_negative(value: Decimal, what: str) -> Decimal:
    """A number that is zero or more.

    Raises:
        MalformedPayload: it is negative, NaN or infinite.
    """
    if not value.is_finite() or value < 0:
        raise MalformedPayload(f"expected a {what} of zero or more, received {value}")
    return value
