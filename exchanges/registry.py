"""The exchanges there are, by the config's word for them."""

from openoutcry.exchanges.binance import BinanceSpot
from openoutcry.exchanges.dialect import SpotDialect

_DIALECTS: dict[str, SpotDialect] = {"binance": BinanceSpot()}


class UnknownExchange(LookupError):
    """No dialect has this name. Lists those that there are."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no exchange {name!r}; there is: {', '.join(_DIALECTS)}")
        self.name = name


def dialect(name: str) -> SpotDialect:
    """The dialect of an exchange.

    Raises:
        UnknownExchange: there is none of that name.
    """
    try:
        return _DIALECTS[name]
    except KeyError:
        raise UnknownExchange(name) from None


def known_exchanges() -> dict[str, tuple[str, ...]]:
    """Each exchange with its domains, the default first."""
    return {name: tuple(spoken.domains) for name, spoken in _DIALECTS.items()}
