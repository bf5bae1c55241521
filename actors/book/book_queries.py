"""What a view of a book answers: the price down to which a volume reaches, and its average."""

from openoutcry.messages.market import Level, OrderBookView


class BookTooThin(ValueError):
    """The view does not hold the volume that was asked for. Says what was asked and what there is."""

    def __init__(self, trading_pair: str, side: str, volume: float, available: float) -> None:
        super().__init__(
            f"{trading_pair}: {volume:g} was asked for and the {side} of this view hold {available:g}; "
            "ask for a deeper view or a smaller volume"
        )
        self.available = available


def get_price_for_volume(view: OrderBookView, is_buy: bool, volume: float) -> float:
    """The worst price paid for taking `volume` of the base asset at once: buying takes asks, selling takes bids.

    Raises:
        BookTooThin: the view holds less than `volume`.
        ValueError: `volume` is not above zero.
    """
    return _take(view, is_buy, volume)[0]


def get_vwap_for_volume(view: OrderBookView, is_buy: bool, volume: float) -> float:
    """The average price paid for taking `volume` of the base asset at once, weighted by amount.

    Raises:
        BookTooThin: the view holds less than `volume`.
        ValueError: `volume` is not above zero.
    """
    return _take(view, is_buy, volume)[1] / volume


def _take(view: OrderBookView, is_buy: bool, volume: float) -> tuple[float, float]:
    """(price of the last level that is needed, cost in the quote asset)."""
    if not volume > 0:
        raise ValueError(f"a volume must be above zero, not {volume!r}")
    levels: tuple[Level, ...] = view.asks if is_buy else view.bids
    remaining = volume
    cost = 0.0
    for price, amount in levels:
        if amount >= remaining:
            return price, cost + price * remaining
        cost += price * amount
        remaining -= amount
    raise BookTooThin(view.trading_pair, "asks" if is_buy else "bids", volume, volume - remaining)
