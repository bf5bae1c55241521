"""The exchanges that are spoken, by the config's word for them."""

from openoutcry.exchanges.binance import BinanceSpot
from openoutcry.exchanges.dialect import SpotDialect

_DIALECTS: dict[str, SpotDialect] = {"binance": BinanceSpot()}


class UnknownExchange(KeyError):
    """There is no dialect of that name; lists those that there are."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"no exchange is called {self.name!r}; there are: {', '.join(_DIALECTS)}"


def dialect(name: str) -> SpotDialect:
    """The dialect of that name.

    Raises:
        UnknownExchange: there is none.
    """
    found = _DIALECTS.get(name)
    if found is None:
        raise UnknownExchange(name)
    return found


def known_exchanges() -> dict[str, tuple[str, ...]]:
    """Exchange → its domains, the default first: what a config may name."""
    return {name: tuple(spoken.domains) for name, spoken in _DIALECTS.items()}
