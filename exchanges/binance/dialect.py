"""Binance spot as a dialect: the contract's names on what the modules beside this one know."""

import string
from collections.abc import Mapping, Sequence

from openoutcry.exchanges.binance import account, limits, market_data, orders, signing, trading_rules, user_stream
from openoutcry.exchanges.binance.endpoints import DOMAINS, MARKET_TIMINGS, USER_TIMINGS
from openoutcry.exchanges.binance.errors import classify
from openoutcry.exchanges.binance.sync import SpotSyncRule
from openoutcry.exchanges.binance.trading_rules import DEFAULT_RATE_LIMITS, REQUEST_WEIGHT
from openoutcry.exchanges.dialect import (
    ClientOrderIdRule,
    Credentials,
    Endpoints,
    MarketDecoder,
    NewOrder,
    RateUsage,
    UserEvent,
)
from openoutcry.messages.account import BalanceSnapshot
from openoutcry.messages.market import BookSnapshot
from openoutcry.messages.orders import FillUpdate, OrderUpdate
from openoutcry.messages.rest import ExchangeError, Purpose, RestRequest, Security, SignedRequest
from openoutcry.messages.trading_rules import RateLimit, TradeFee, TradingRule


class BinanceSpot:
    """See `SpotDialect` for what each method is for."""

    name = "binance"
    domains = DOMAINS
    timings = MARKET_TIMINGS
    user_stream_timings = USER_TIMINGS
    sync_rule = SpotSyncRule()
    # newClientOrderId: ^[a-zA-Z0-9-_]{1,36}$
    client_order_id_rule = ClientOrderIdRule(
        prefix="oo-", max_length=36, alphabet=string.ascii_letters + string.digits + "-_"
    )
    default_rate_limits = DEFAULT_RATE_LIMITS
    default_fee = account.DEFAULT_FEE
    real_time_balance_update = True
    receive_window_ms = signing.RECEIVE_WINDOW_MS

    # Trading rules, symbols, fees, prices, time

    def build_trading_rules(self) -> RestRequest:
        """GET /api/v3/exchangeInfo, weight 20."""
        return _public("/api/v3/exchangeInfo", 20)

    def parse_trading_rules(self, body: bytes) -> tuple[TradingRule, ...]:
        """Rules of every spot symbol."""
        return trading_rules.parse_trading_rules(body)

    def parse_rate_limits(self, body: bytes) -> tuple[RateLimit, ...]:
        """The budgets."""
        return trading_rules.parse_rate_limits(body)

    def build_fees(self, rule: TradingRule) -> RestRequest:
        """GET /api/v3/account/commission, weight 20."""
        return _signed("/api/v3/account/commission", 20, (("symbol", rule.symbol),))

    def parse_fees(self, rule: TradingRule, body: bytes) -> TradeFee:
        """The account's fees."""
        return account.parse_fees(rule, body)

    def build_last_prices(self, rules: Sequence[TradingRule]) -> RestRequest:
        """GET /api/v3/ticker/price, weight 4 for several symbols."""
        return _public("/api/v3/ticker/price", 4, (("symbols", account.symbols_parameter(rules)),))

    def parse_last_prices(self, rules: Sequence[TradingRule], body: bytes) -> tuple[tuple[str, float], ...]:
        """(trading pair, price)."""
        return account.parse_last_prices(rules, body)

    def build_server_time(self) -> RestRequest:
        """GET /api/v3/time, weight 1."""
        return _public("/api/v3/time", 1, purpose=Purpose.QUERY)

    def parse_server_time(self, body: bytes) -> int:
        """Ms since the epoch."""
        return account.parse_server_time(body)

    # Market data

    def build_book_snapshot(self, rule: TradingRule) -> RestRequest:
        """GET /api/v3/depth, weight 50 for 1000 levels."""
        parameters = (("symbol", rule.symbol), ("limit", str(self.sync_rule.snapshot_depth)))
        return _public("/api/v3/depth", 50, parameters)

    def parse_book_snapshot(self, rule: TradingRule, body: bytes, received_ns: int) -> BookSnapshot:
        """The book at its lastUpdateId."""
        return market_data.parse_book_snapshot(rule, body, received_ns)

    def market_stream_url(self, endpoints: Endpoints) -> str:
        """Combined streams: the stream's name stands before the data."""
        return f"{endpoints.ws_url}/stream"

    def subscribe_frames(self, rules: Sequence[TradingRule], request_id: int) -> tuple[str, ...]:
        """SUBSCRIBE."""
        return market_data.subscription_frames("SUBSCRIBE", rules, request_id)

    def unsubscribe_frames(self, rules: Sequence[TradingRule], request_id: int) -> tuple[str, ...]:
        """UNSUBSCRIBE."""
        return market_data.subscription_frames("UNSUBSCRIBE", rules, request_id)

    def market_decoder(self, rules: Sequence[TradingRule]) -> MarketDecoder:
        """For these symbols."""
        return market_data.SpotMarketDecoder(rules)

    # User stream

    def user_stream_url(self, endpoints: Endpoints) -> str:
        """The WebSocket API."""
        return endpoints.ws_api_url

    def sign_stream_login(self, request_id: str, credentials: Credentials, timestamp_ms: int) -> str:
        """userDataStream.subscribe.signature."""
        return signing.sign_stream_login(request_id, credentials, timestamp_ms)

    def decode_user_frame(self, frame: bytes | str, pairs: Mapping[str, str]) -> tuple[UserEvent, ...]:
        """executionReport, outboundAccountPosition, balanceUpdate, answers and notices."""
        return user_stream.decode_user_frame(frame, pairs)

    # Orders and balances

    def build_place_order(self, order: NewOrder) -> RestRequest:
        """POST /api/v3/order."""
        return orders.build_place_order(order)

    def parse_placed_order(self, order: NewOrder, body: bytes) -> tuple[OrderUpdate | FillUpdate, ...]:
        """Fills first, the state last."""
        return orders.parse_placed_order(order, body)

    def build_cancel_order(self, rule: TradingRule, client_order_id: str, exchange_order_id: str | None) -> RestRequest:
        """DELETE /api/v3/order."""
        return orders.build_cancel_order(rule, client_order_id, exchange_order_id)

    def parse_cancelled_order(self, rule: TradingRule, body: bytes) -> OrderUpdate:
        """The order as the cancel left it."""
        return orders.parse_cancelled_order(rule, body)

    def build_cancel_all(self, rule: TradingRule) -> RestRequest:
        """DELETE /api/v3/openOrders."""
        return orders.build_cancel_all(rule)

    def parse_cancel_all(self, rule: TradingRule, body: bytes) -> tuple[OrderUpdate, ...]:
        """The orders that were cancelled."""
        return orders.parse_cancel_all(rule, body)

    def build_open_orders(self, rule: TradingRule | None) -> RestRequest:
        """GET /api/v3/openOrders."""
        return orders.build_open_orders(rule)

    def parse_open_orders(self, pairs: Mapping[str, str], body: bytes) -> tuple[OrderUpdate, ...]:
        """The open orders."""
        return orders.parse_open_orders(pairs, body)

    def build_order_status(self, rule: TradingRule, client_order_id: str, exchange_order_id: str | None) -> RestRequest:
        """GET /api/v3/order."""
        return orders.build_order_status(rule, client_order_id, exchange_order_id)

    def parse_order_status(self, rule: TradingRule, body: bytes) -> OrderUpdate:
        """The order as it is."""
        return orders.parse_order_status(rule, body)

    def build_fills(
        self,
        rule: TradingRule,
        exchange_order_id: str | None,
        from_trade_id: str | None = None,
        start_ms: int | None = None,
    ) -> RestRequest:
        """GET /api/v3/myTrades."""
        return orders.build_fills(rule, exchange_order_id, from_trade_id, start_ms)

    def parse_fills(self, rule: TradingRule, body: bytes) -> tuple[FillUpdate, ...]:
        """Oldest first."""
        return orders.parse_fills(rule, body)

    def build_balances(self) -> RestRequest:
        """GET /api/v3/account, weight 20."""
        return _signed("/api/v3/account", 20, (("omitZeroBalances", "true"),))

    def parse_balances(self, body: bytes, asked_ms: int) -> BalanceSnapshot:
        """Those that are not zero."""
        return account.parse_balances(body, asked_ms)

    def parse_permissions(self, body: bytes) -> frozenset[str]:
        """Of the key."""
        return account.parse_permissions(body)

    # Signing, limits, errors

    def sign(self, request: RestRequest, credentials: Credentials | None, timestamp_ms: int) -> SignedRequest:
        """Stamp, sign, encode."""
        return signing.sign(request, credentials, timestamp_ms)

    def rate_usage(self, headers: Mapping[str, str]) -> RateUsage:
        """X-MBX-USED-WEIGHT-1M and the order counts."""
        return limits.rate_usage(headers)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> ExchangeError | None:
        """By code, text and HTTP status."""
        return classify(status, headers, body)


def _public(
    path: str, weight: int, parameters: tuple[tuple[str, str], ...] = (), purpose: Purpose = Purpose.MARKET_DATA
) -> RestRequest:
    return RestRequest(
        method="GET", path=path, parameters=parameters, purpose=purpose, costs=((REQUEST_WEIGHT, weight),)
    )


def _signed(path: str, weight: int, parameters: tuple[tuple[str, str], ...]) -> RestRequest:
    return RestRequest(
        method="GET",
        path=path,
        parameters=parameters,
        security=Security.SIGNED,
        costs=((REQUEST_WEIGHT, weight),),
    )
