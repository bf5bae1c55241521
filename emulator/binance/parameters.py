"""The parameters of a request: parsing a query or form, and reading typed values with Binance's refusals.

Source: Binance spot documents, "General API information" (query wins over body) and "Errors" (-11xx).
"""

import re
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import unquote_plus

import orjson

from openoutcry.emulator.binance.errors import WireError, empty, illegal_characters, missing

DECIMAL_RANGE: Final = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
_DECIMAL: Final = re.compile(r"([0-9]{1,20})(\.[0-9]{1,20})?")
_INTEGER: Final = re.compile(r"[0-9]{1,20}")
_SYMBOL_RANGE: Final = "^[\\w\\-._&&[^a-z]]{1,50}$"
_SYMBOL: Final = re.compile(r"(?:(?![a-z])[\w\-.]){1,50}")
CLIENT_ORDER_ID_RANGE: Final = "^[a-zA-Z0-9-_]{1,36}$"
_CLIENT_ORDER_ID: Final = re.compile(r"[a-zA-Z0-9\-_]{1,36}")

Choice = TypeVar("Choice", bound=StrEnum)


def parse_form(text: str) -> dict[str, str]:
    """Decode `a=1&b=2` (percent-encoding undone).

    Raises:
        WireError: -1101 if a name comes twice.
    """
    values: dict[str, str] = {}
    if not text:
        return values
    encoded = "%" in text or "+" in text
    for part in text.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        if encoded:
            name, value = unquote_plus(name), unquote_plus(value)
        if name in values:
            raise WireError(-1101, f"Duplicate values for parameter '{name}' detected.")
        values[name] = value
    return values


class Parameters:
    """The parameters of one request, all as text, read by type."""

    __slots__ = ("values",)

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values

    @classmethod
    def of_request(cls, query: str, body: str) -> "Parameters":
        """The parameters of a REST request. What is in both query and body is taken from the query."""
        if not body:
            return cls(parse_form(query))
        values = parse_form(body)
        values.update(parse_form(query))
        return cls(values)

    @classmethod
    def of_json(cls, values: dict[str, object]) -> "Parameters":
        """The parameters of a WebSocket API request."""
        return cls({name: _text_of(value) for name, value in values.items()})

    def only(self, known: frozenset[str]) -> None:
        """Refuse parameters that the endpoint does not read.

        Raises:
            WireError: -1104, with both counts.
        """
        if not known.issuperset(self.values):
            read = sum(name in known for name in self.values)
            raise WireError(
                -1104,
                f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(self.values)}'.",
            )

    def has(self, name: str) -> bool:
        """Whether the parameter was sent."""
        return name in self.values

    def text(self, name: str) -> str:
        """A mandatory text.

        Raises:
            WireError: -1102 if it was not sent, -1105 if it is empty.
        """
        value = self.values.get(name)
        if value is None:
            raise missing(name)
        if not value:
            raise empty(name)
        return value

    def optional_text(self, name: str) -> str | None:
        """A text, or None if it was not sent (-1105 if it is empty)."""
        return self.text(name) if name in self.values else None

    def symbol(self) -> str:
        """The mandatory `symbol` in its legal form; whether it is listed is another question."""
        value = self.text("symbol")
        if not _SYMBOL.fullmatch(value):
            raise illegal_characters("symbol", _SYMBOL_RANGE)
        return value

    def optional_symbol(self) -> str | None:
        """`symbol`, or None if it was not sent."""
        return self.symbol() if "symbol" in self.values else None

    def symbols(self) -> list[str] | None:
        """`symbols=["A","B"]`, or None if it was not sent."""
        value = self.optional_text("symbols")
        if value is None:
            return None
        try:
            names = orjson.loads(value)
        except orjson.JSONDecodeError:
            names = None
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise illegal_characters("symbols", '^\\["[\\w\\-._&&[^a-z]]{1,50}"(,"[\\w\\-._&&[^a-z]]{1,50}"){0,}\\]$')
        if not all(_SYMBOL.fullmatch(name) for name in names):
            raise illegal_characters("symbols", '^\\["[\\w\\-._&&[^a-z]]{1,50}"(,"[\\w\\-._&&[^a-z]]{1,50}"){0,}\\]$')
        return names

    def optional_decimal(self, name: str) -> Decimal | None:
        """A number in plain decimal form, or None if it was not sent."""
        value = self.optional_text(name)
        if value is None:
            return None
        if not _DECIMAL.fullmatch(value) or not value.isascii():
            raise illegal_characters(name, DECIMAL_RANGE)
        try:
            return Decimal(value)
        except InvalidOperation:
            raise illegal_characters(name, DECIMAL_RANGE) from None

    def optional_integer(self, name: str) -> int | None:
        """A whole number, or None if it was not sent."""
        value = self.optional_text(name)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value) or not value.isascii():
            raise illegal_characters(name, "^[0-9]{1,20}$")
        return int(value)

    def limit(self, default: int, maximum: int) -> int:
        """`limit`, between 1 and the endpoint's maximum; a larger one counts as the maximum."""
        value = self.optional_integer("limit")
        if value is None:
            return default
        if value < 1:
            raise WireError(-1130, "Data sent for parameter 'limit' is not valid.")
        return min(value, maximum)

    def boolean(self, name: str, default: bool) -> bool:
        """`true` or `false`, in any case."""
        value = self.optional_text(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise illegal_characters(name, "^(true|false)$")
        return value.lower() == "true"

    def choice(self, name: str, kind: type[Choice], code: int, message: str) -> Choice:
        """A mandatory enumerated value; `code` and `message` are those of an unknown one."""
        try:
            return kind(self.text(name))
        except ValueError:
            raise WireError(code, message) from None

    def optional_choice(self, name: str, kind: type[Choice], code: int, message: str) -> Choice | None:
        """An enumerated value, or None if it was not sent."""
        return self.choice(name, kind, code, message) if name in self.values else None

    def optional_client_order_id(self, name: str) -> str | None:
        """A client order id in its legal form, or None if it was not sent."""
        value = self.optional_text(name)
        if value is not None and not (value.isascii() and _CLIENT_ORDER_ID.fullmatch(value)):
            raise illegal_characters(name, CLIENT_ORDER_ID_RANGE)
        return value


def _text_of(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return orjson.dumps(value).decode()
    return str(value)
