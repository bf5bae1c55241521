"""The markets an emulator has unless told otherwise, with plausible rules and first prices."""

from decimal import Decimal
from typing import Final

from openoutcry.emulator.engine import Market

_DEFAULT: Final = (
    # base, quote, first price, tick size, step size, least notional
    ("BTC", "USDT", "60000", "0.01", "0.00001", "5"),
    ("ETH", "USDT", "3000", "0.01", "0.0001", "5"),
    ("ETH", "BTC", "0.05", "0.00001", "0.0001", "0.0001"),
    ("BNB", "USDT", "600", "0.01", "0.001", "5"),
    ("SOL", "USDT", "150", "0.01", "0.001", "5"),
)
_MORE_ASSETS: Final = (  # noqa: SIM905 - a list of sixty quoted words reads worse
    "XRP ADA DOGE AVAX DOT LINK LTC BCH TRX NEAR UNI ATOM XLM ETC FIL APT ARB OP INJ SUI SEI TIA RUNE AAVE ALGO GRT "
    "EGLD SAND MANA AXS THETA FTM ICP VET HBAR IMX STX LDO MKR SNX CRV COMP ZRX BAT ENJ CHZ GALA KAVA DYDX GMX PENDLE "
    "JUP PYTH WIF ENA"
).split()
MOST_MARKETS: Final = len(_DEFAULT) + len(_MORE_ASSETS)


def default_markets() -> dict[str, tuple[Market, Decimal]]:
    """Five well-known markets by symbol, each with its first price."""
    return dict(_market(*row) for row in _DEFAULT)


def demo_markets(count: int) -> dict[str, tuple[Market, Decimal]]:
    """The first `count` of up to 60 markets by symbol, each with its first price: the default ones come first.

    Raises:
        ValueError: fewer than 1 or more than there are.
    """
    if not 1 <= count <= MOST_MARKETS:
        raise ValueError(f"expected 1 to {MOST_MARKETS} markets, received {count}")
    markets = list(default_markets().items())
    for number, asset in enumerate(_MORE_ASSETS):
        price = Decimal(7 + number * 13 % 90).scaleb(-(number % 3))
        markets.append(_market(asset, "USDT", str(price), "0.0001" if price < 1 else "0.001", "0.01", "5"))
    return dict(markets[:count])


def default_balances() -> dict[str, Decimal]:
    """What the test account has."""
    return {
        "USDT": Decimal(1_000_000),
        "BTC": Decimal(10),
        "ETH": Decimal(100),
        "BNB": Decimal(1_000),
        "SOL": Decimal(5_000),
    }


def _market(
    base: str, quote: str, price: str, tick: str, step: str, notional: str
) -> tuple[str, tuple[Market, Decimal]]:
    symbol = base + quote
    market = Market(
        symbol=symbol,
        base_asset=base,
        quote_asset=quote,
        tick_size=Decimal(tick),
        min_price=Decimal(tick),
        max_price=Decimal(1_000_000),
        step_size=Decimal(step),
        min_quantity=Decimal(step),
        market_max_quantity=Decimal(100_000),
        min_notional=Decimal(notional),
        max_notional=Decimal(9_000_000),
        bid_multiplier_up=Decimal(5),
        bid_multiplier_down=Decimal("0.2"),
        ask_multiplier_up=Decimal(5),
        ask_multiplier_down=Decimal("0.2"),
    )
    return symbol, (market, Decimal(price))
