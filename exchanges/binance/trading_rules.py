"""Trading rules and symbols from exchangeInfo, in its shape of today and of 2021 to 2023; fees; the server's time."""

from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec

from openoutcry.exchanges.binance.limits import costs
from openoutcry.exchanges.binance.wire import DECODING_ERRORS, Milliseconds, Wire, check_amount, malformed, parser
from openoutcry.messages.orders import OrderType, TimeInForce
from openoutcry.messages.rest import Purpose, RestRequest, Security
from openoutcry.messages.trading_rules import TradeFee, TradingRule

ZERO: Final = Decimal(0)

_ORDER_TYPES: Final = {kind.value: kind for kind in OrderType}
_TIMES_IN_FORCE: Final = frozenset(TimeInForce)


class _Filter(msgspec.Struct, frozen=True, rename="camel"):
    """Any filter: each has some of these fields, and no two use one name for different things.

    Numbers stay strings until they are used: of the 20,000 filters of the whole exchange most never are.
    """

    filter_type: str
    tick_size: str = "0"
    min_price: str = "0"
    max_price: str = "0"
    step_size: str = "0"
    min_qty: str = "0"
    max_qty: str = "0"
    min_notional: str = "0"
    max_notional: str = "0"
    apply_to_market: bool = False
    apply_min_to_market: bool = False


_NO_FILTER: Final = _Filter(filter_type="")


class _Symbol(msgspec.Struct, frozen=True, rename="camel"):
    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    order_types: list[str]
    filters: list[_Filter]
    is_spot_trading_allowed: bool = True
    permissions: list[str] = []
    """Until 2024; an empty list since."""
    permission_sets: list[list[str]] = []
    allowed_self_trade_prevention_modes: list[str] = []


class _ExchangeInfo(msgspec.Struct, frozen=True):
    symbols: list[_Symbol]


class _Commission(Wire, frozen=True):
    """Rates of one kind. buyer and seller come on top of maker or taker."""

    may_be_negative = frozenset({"maker", "taker"})  # a maker may be paid a rebate

    maker: Decimal = ZERO
    taker: Decimal = ZERO
    buyer: Decimal = ZERO
    seller: Decimal = ZERO


class _Commissions(msgspec.Struct, frozen=True, rename="camel"):
    symbol: str
    standard_commission: _Commission
    special_commission: _Commission = _Commission()
    tax_commission: _Commission = _Commission()


class _ServerTime(msgspec.Struct, frozen=True, rename="camel"):
    server_time: Milliseconds


_parse_exchange_info = parser(_ExchangeInfo, "exchangeInfo")
_parse_commissions = parser(_Commissions, "the account's commission")
_parse_server_time = parser(_ServerTime, "the server's time")


def build_trading_rules() -> RestRequest:
    """GET /api/v3/exchangeInfo, weight 20. The answer has some megabytes."""
    return RestRequest(method="GET", path="/api/v3/exchangeInfo", purpose=Purpose.MARKET_DATA, costs=costs(20))


def parse_trading_rules(body: bytes) -> tuple[TradingRule, ...]:
    """The rules of all symbols, those that do not trade included."""
    info: _ExchangeInfo = _parse_exchange_info(body)
    try:
        return tuple(_rule(symbol) for symbol in info.symbols)
    except DECODING_ERRORS as error:
        raise malformed("exchangeInfo", body, error) from None


def _rule(symbol: _Symbol) -> TradingRule:
    filters = {one.filter_type: one for one in symbol.filters}
    price = filters.get("PRICE_FILTER", _NO_FILTER)
    lot = filters.get("LOT_SIZE", _NO_FILTER)
    # A market order must keep to both lot filters, so what is told of it is what both allow together.
    market_lot = filters.get("MARKET_LOT_SIZE", _NO_FILTER)
    notional = filters.get("NOTIONAL", _NO_FILTER)
    min_notional = filters.get("MIN_NOTIONAL", _NO_FILTER)  # the elder form of NOTIONAL
    order_types = frozenset(_ORDER_TYPES[name] for name in symbol.order_types if name in _ORDER_TYPES)
    step, min_size, max_size = _amount(lot.step_size), _amount(lot.min_qty), _amount(lot.max_qty)
    return TradingRule(
        trading_pair=f"{symbol.base_asset}-{symbol.quote_asset}",
        symbol=symbol.symbol,
        base_asset=symbol.base_asset,
        quote_asset=symbol.quote_asset,
        min_price_increment=_amount(price.tick_size),
        min_price=_amount(price.min_price),
        max_price=_amount(price.max_price),
        min_base_amount_increment=step,
        min_order_size=min_size,
        max_order_size=max_size,
        market_min_base_amount_increment=max(step, _amount(market_lot.step_size)),
        market_min_order_size=max(min_size, _amount(market_lot.min_qty)),
        market_max_order_size=_lower_of(max_size, _amount(market_lot.max_qty)),
        min_notional_size=max(_amount(notional.min_notional), _amount(min_notional.min_notional)),
        min_notional_applies_to_market=notional.apply_min_to_market or min_notional.apply_to_market,
        max_notional_size=_amount(notional.max_notional),
        order_types=order_types,
        times_in_force=_TIMES_IN_FORCE if OrderType.LIMIT in order_types else frozenset(),
        self_trade_prevention_modes=frozenset(symbol.allowed_self_trade_prevention_modes),
        is_trading=symbol.status == "TRADING" and symbol.is_spot_trading_allowed and _permits_spot(symbol),
        status=symbol.status,
    )


@lru_cache(maxsize=4096)
def _amount(text: str) -> Decimal:
    """The same few hundred numbers stand in thousands of filters."""
    value = Decimal(text)
    check_amount(value, "a filter's number")
    return value


def _lower_of(one: Decimal, other: Decimal) -> Decimal:
    """The lower of two limits, of which zero is none."""
    return min(one, other) if one and other else one or other


def _permits_spot(symbol: _Symbol) -> bool:
    sets = [*symbol.permission_sets, symbol.permissions]
    return any("SPOT" in one for one in sets) or not any(sets)


def build_fees(rule: TradingRule) -> RestRequest:
    """GET /api/v3/account/commission, weight 20."""
    return RestRequest(
        method="GET",
        path="/api/v3/account/commission",
        parameters=(("symbol", rule.symbol),),
        security=Security.SIGNED,
        costs=costs(20),
    )


def parse_fees(rule: TradingRule, body: bytes) -> TradeFee:
    """Standard, special and tax rates together, with the dearer of the buyer's and the seller's part.

    The discount for paying in BNB is left out: it holds only while there is BNB to pay with.
    """
    told: _Commissions = _parse_commissions(body)
    parts = (told.standard_commission, told.special_commission, told.tax_commission)
    side = sum((max(part.buyer, part.seller) for part in parts), ZERO)
    return TradeFee(
        trading_pair=rule.trading_pair,
        maker=sum((part.maker for part in parts), side),
        taker=sum((part.taker for part in parts), side),
    )


def build_server_time() -> RestRequest:
    """GET /api/v3/time, weight 1."""
    return RestRequest(method="GET", path="/api/v3/time", costs=costs(1))


def parse_server_time(body: bytes) -> int:
    """Milliseconds since the epoch."""
    told: _ServerTime = _parse_server_time(body)
    return told.server_time
