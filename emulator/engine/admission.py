"""Whether a new order is taken: parameters, filters, then what the matching engine itself refuses."""

from collections.abc import Mapping
from decimal import Decimal

from openoutcry.emulator.engine import errors, filters
from openoutcry.emulator.engine.account import Account
from openoutcry.emulator.engine.enums import OrderType, Side
from openoutcry.emulator.engine.market import ZERO, Market
from openoutcry.emulator.engine.matching import Plan, plan_by_quantity, plan_by_quote, quote_hold
from openoutcry.emulator.engine.records import NewOrder
from openoutcry.emulator.engine.settlement import Listing


def admit(listings: Mapping[str, Listing], account: Account, new: NewOrder) -> tuple[Listing, Plan]:
    """What a new order will trade with. Raises `Rejected`, and changes nothing either way."""
    filters.check_parameters(new)
    listing = listings.get(new.symbol)
    if listing is None:
        raise errors.invalid_symbol()
    filters.check_order_type(listing.market, new)
    if new.price is not None and new.quantity is not None:
        return listing, _admit_limit(listing, account, new, new.price, new.quantity)
    if new.quantity is not None:
        return listing, _admit_market(listing, account, new, new.quantity)
    if new.quote_quantity is not None:
        return listing, _admit_market_by_quote(listing, account, new, new.quote_quantity)
    raise AssertionError("check_parameters lets through no other order")


def _admit_limit(listing: Listing, account: Account, new: NewOrder, price: Decimal, quantity: Decimal) -> Plan:
    market = listing.market
    is_buy = new.side is Side.BUY
    filters.check_price(market, price)
    filters.check_quantity(market, quantity, is_market=False)
    filters.check_price_band(market, price, is_buy=is_buy, last_price=listing.last_price)
    filters.check_notional(market, price * quantity, is_market=False)
    if len(account.open_orders.get(market.symbol, ())) >= market.max_num_orders:
        raise errors.filter_failure("MAX_NUM_ORDERS")
    _check_open_for(market, account, new)
    plan = plan_by_quantity(
        market,
        listing.book,
        account,
        is_buy=is_buy,
        quantity=quantity,
        limit_price=price,
        mode=new.self_trade_prevention_mode,
    )
    if plan.steps and new.type is OrderType.LIMIT_MAKER:
        raise errors.new_order_rejected("Order would immediately match and take.")
    if is_buy:
        # The plain product first: rounding a sum that no balance can pay could exceed the precision of Decimal.
        _check_balance(account, market.quote_asset, price * quantity)
        _check_balance(account, market.quote_asset, quote_hold(market, price, quantity))
    else:
        _check_balance(account, market.base_asset, quantity)
    return plan


def _admit_market(listing: Listing, account: Account, new: NewOrder, quantity: Decimal) -> Plan:
    market = listing.market
    is_buy = new.side is Side.BUY
    filters.check_quantity(market, quantity, is_market=True)
    reference = _reference_price(listing, is_buy=is_buy)
    if reference is not None:
        filters.check_notional(market, reference * quantity, is_market=True)
    _check_open_for(market, account, new)
    plan = plan_by_quantity(
        market,
        listing.book,
        account,
        is_buy=is_buy,
        quantity=quantity,
        limit_price=None,
        mode=new.self_trade_prevention_mode,
    )
    if is_buy:
        _check_balance(account, market.quote_asset, plan.cost)
    else:
        _check_balance(account, market.base_asset, quantity)
    return plan


def _admit_market_by_quote(listing: Listing, account: Account, new: NewOrder, quote_quantity: Decimal) -> Plan:
    market = listing.market
    is_buy = new.side is Side.BUY
    filters.check_quote_quantity(market, quote_quantity)
    filters.check_notional(market, quote_quantity, is_market=True)
    _check_open_for(market, account, new)
    plan = plan_by_quote(
        market,
        listing.book,
        account,
        is_buy=is_buy,
        quote_quantity=quote_quantity,
        mode=new.self_trade_prevention_mode,
    )
    if (listing.book.asks if is_buy else listing.book.bids).best is None:
        raise errors.new_order_rejected("Order book liquidity is less than symbol minimum quantity.")
    for name, least, largest in (
        ("LOT_SIZE", market.min_quantity, market.max_quantity),
        ("MARKET_LOT_SIZE", market.market_min_quantity, market.market_max_quantity),
    ):
        if not plan.quantity or plan.quantity < least or (largest and plan.quantity > largest):
            raise errors.filter_failure(name)
        if plan.filled < least and all(quantity for _, quantity in plan.steps):
            raise errors.new_order_rejected(f"Order book liquidity is less than {name} filter minimum quantity.")
    if is_buy:
        _check_balance(account, market.quote_asset, quote_quantity)
    else:
        _check_balance(account, market.base_asset, plan.quantity)
    return plan


def _reference_price(listing: Listing, *, is_buy: bool) -> Decimal | None:
    """What stands for the price of a market order: the last one, before the first trade the best it would get."""
    if listing.last_price is not None:
        return listing.last_price
    best = (listing.book.asks if is_buy else listing.book.bids).best
    return best.price if best is not None else None


def _check_open_for(market: Market, account: Account, new: NewOrder) -> None:
    if market.status != "TRADING":
        raise errors.new_order_rejected("Market is closed.")
    if new.client_order_id in account.open_client_ids:
        raise errors.new_order_rejected("Duplicate order sent.")


def _check_balance(account: Account, asset: str, amount: Decimal) -> None:
    if amount > account.free.get(asset, ZERO):
        raise errors.insufficient_balance()
