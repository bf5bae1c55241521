"""What is traded, and by which rules."""

from dataclasses import dataclass, field
from decimal import Decimal

from openoutcry.emulator.engine.enums import OrderType

ZERO = Decimal(0)


def decimal_places(value: Decimal) -> int:
    """How many digits after the point `value` needs: 2 for 0.01 and for 0.0100."""
    exponent = value.normalize().as_tuple().exponent
    if not isinstance(exponent, int):
        raise TypeError(f"expected a finite number, received {value}")
    return max(0, -exponent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One symbol and its filters, as `exchangeInfo` states them. A limit of 0 is switched off, as on the exchange."""

    symbol: str
    """"BTCUSDT"."""
    base_asset: str
    quote_asset: str

    tick_size: Decimal
    """PRICE_FILTER, in the quote asset, with the two fields below."""
    min_price: Decimal = ZERO
    max_price: Decimal = ZERO

    step_size: Decimal
    """LOT_SIZE, in the base asset, with the two fields below."""
    min_quantity: Decimal
    max_quantity: Decimal = Decimal(9_000_000)

    market_step_size: Decimal = ZERO
    """MARKET_LOT_SIZE, in the base asset, with the two fields below. Market orders obey LOT_SIZE as well."""
    market_min_quantity: Decimal = ZERO
    market_max_quantity: Decimal = ZERO

    min_notional: Decimal = ZERO
    """NOTIONAL, in the quote asset, with the three fields below."""
    apply_min_to_market: bool = True
    max_notional: Decimal | None = None
    apply_max_to_market: bool = False

    bid_multiplier_up: Decimal | None = None
    """PERCENT_PRICE_BY_SIDE, relative to the last price, with the three fields below. None: no such filter."""
    bid_multiplier_down: Decimal | None = None
    ask_multiplier_up: Decimal | None = None
    ask_multiplier_down: Decimal | None = None

    max_num_orders: int = 200
    """MAX_NUM_ORDERS: open orders an account may have on the symbol."""

    status: str = "TRADING"
    """Anything but TRADING refuses new orders ("Market is closed."); cancels always go through."""
    order_types: tuple[str, ...] = (OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET)
    quote_order_quantity_allowed: bool = True

    maker_fee: Decimal = Decimal("0.001")
    """Share of what the maker receives. An account may have its own rates."""
    taker_fee: Decimal = Decimal("0.001")

    base_precision: int = 8
    """Digits after the point of amounts in the base asset."""
    quote_precision: int = 8

    base_unit: Decimal = field(init=False, repr=False, compare=False)
    """The smallest amount of the base asset."""
    quote_unit: Decimal = field(init=False, repr=False, compare=False)
    exact: bool = field(init=False, repr=False, compare=False)
    """Whether each price times quantity on the grid is a whole number of quote units, so that nothing is rounded."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_unit", Decimal(1).scaleb(-self.base_precision))
        object.__setattr__(self, "quote_unit", Decimal(1).scaleb(-self.quote_precision))
        exact = bool(
            self.tick_size
            and self.step_size
            and decimal_places(self.tick_size) + decimal_places(self.step_size) <= self.quote_precision
        )
        object.__setattr__(self, "exact", exact)
