"""Binance spot under the contract of `openoutcry.exchanges.dialect`: the other modules, gathered."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from openoutcry.exchanges.binance import (
    balances,
    errors,
    limits,
    market_data,
    order_answers,
    orders,
    signing,
    trading_rules,
    user_stream,
)
from openoutcry.exchanges.binance.endpoints import DOMAINS, MARKET_TIMINGS, RAW_STREAM_PATH, USER_TIMINGS
from openoutcry.exchanges.binance.subscriptions import subscription_frames
from openoutcry.exchanges.binance.sync import BinanceSyncRule
from openoutcry.exchanges.dialect import (
    ClientOrderIdRule,
    Credentials,
    Endpoints,
    MarketDecoder,
    NewOrder,
    RateUsage,
    StreamTimings,
    SyncRule,
    UserEvent,
)
from openoutcry.messages.account import BalanceSnapshot
from openoutcry.messages.market import BookSnapshot
from openoutcry.messages.orders import FillUpdate, OrderUpdate
from openoutcry.messages.rest import ExchangeError, RestRequest, SignedRequest
from openoutcry.messages.trading_rules import RateLimit, TradeFee, TradingRule


class BinanceSpot:
    """Binance spot. Without state: one serves all connectors. What the methods promise is said in the contract."""

    def __init__(self) -> None:
        self.name: str = "binance"
        self.domains: Mapping[str, Endpoints] = DOMAINS
        self.timings: StreamTimings = MARKET_TIMINGS
        self.user_stream_timings: StreamTimings = USER_TIMINGS
        self.sync_rule: SyncRule = BinanceSyncRule()
        self.client_order_id_rule: ClientOrderIdRule = orders.CLIENT_ORDER_ID_RULE
        self.default_rate_limits: tuple[RateLimit, ...] = limits.DEFAULT_RATE_LIMITS
        self.default_fee: TradeFee = TradeFee(trading_pair="", maker=Decimal("0.001"), taker=Decimal("0.001"))
        self.real_time_balance_update: bool = True
        self.receive_window_ms: int = 5_000

    # Trading rules, symbols, fees, prices, time

    def build_trading_rules(self) -> RestRequest:
        """GET /api/v3/exchangeInfo."""
        return trading_rules.build_trading_rules()

    def parse_trading_rules(self, body: bytes) -> tuple[TradingRule, ...]:
        """Every symbol of exchangeInfo."""
        return trading_rules.parse_trading_rules(body)

    def parse_rate_limits(self, body: bytes) -> tuple[RateLimit, ...]:
        """REQUEST_WEIGHT, ORDERS_10S, ORDERS_1D, RAW_REQUESTS from exchangeInfo."""
        return limits.parse_rate_limits(body)

    def build_fees(self, rule: TradingRule) -> RestRequest:
        """GET /api/v3/account/commission."""
        return trading_rules.build_fees(rule)

    def parse_fees(self, rule: TradingRule, body: bytes) -> TradeFee:
        """All rates together, without the discount for paying in BNB."""
        return trading_rules.parse_fees(rule, body)

    def build_last_prices(self, rules: Sequence[TradingRule]) -> RestRequest:
        """GET /api/v3/ticker/price."""
        return market_data.build_last_prices(rules)

    def parse_last_prices(self, rules: Sequence[TradingRule], body: bytes) -> tuple[tuple[str, float], ...]:
        """Of the pairs that have traded."""
        return market_data.parse_last_prices(rules, body)

    def build_server_time(self) -> RestRequest:
        """GET /api/v3/time."""
        return trading_rules.build_server_time()

    def parse_server_time(self, body: bytes) -> int:
        """In ms since the epoch."""
        return trading_rules.parse_server_time(body)

    # Market data

    def build_book_snapshot(self, rule: TradingRule) -> RestRequest:
        """GET /api/v3/depth with 1,000 levels."""
        return market_data.build_book_snapshot(rule)

    def parse_book_snapshot(self, rule: TradingRule, body: bytes, received_ns: int) -> BookSnapshot:
        """The book at its lastUpdateId."""
        return market_data.parse_book_snapshot(rule, body, received_ns)

    def market_stream_url(self, endpoints: Endpoints) -> str:
        """The raw stream."""
        return f"{endpoints.ws_url}{RAW_STREAM_PATH}"

    def subscribe_frames(self, rules: Sequence[TradingRule], request_id: int) -> tuple[str, ...]:
        """depth@100ms, trade and bookTicker of each symbol."""
        return subscription_frames("SUBSCRIBE", rules, request_id)

    def unsubscribe_frames(self, rules: Sequence[TradingRule], request_id: int) -> tuple[str, ...]:
        """The same streams."""
        return subscription_frames("UNSUBSCRIBE", rules, request_id)

    def market_decoder(self, rules: Sequence[TradingRule]) -> MarketDecoder:
        """For raw frames and for those of a combined stream."""
        return market_data.BinanceMarketDecoder({rule.symbol: rule.trading_pair for rule in rules})

    # User stream

    def user_stream_url(self, endpoints: Endpoints) -> str:
        """The WebSocket API."""
        return endpoints.ws_api_url

    def sign_stream_login(self, request_id: str, credentials: Credentials, timestamp_ms: int) -> str:
        """userDataStream.subscribe.signature."""
        return signing.stream_login(request_id, credentials, timestamp_ms)

    def decode_user_frame(self, frame: bytes | str, pairs: Mapping[str, str]) -> tuple[UserEvent, ...]:
        """executionReport, outboundAccountPosition, balanceUpdate, notices and answers."""
        return user_stream.decode_user_frame(frame, pairs)

    # Orders and balances

    def build_place_order(self, order: NewOrder) -> RestRequest:
        """POST /api/v3/order."""
        return orders.build_place_order(order)

    def parse_placed_order(self, order: NewOrder, body: bytes) -> tuple[OrderUpdate | FillUpdate, ...]:
        """From a FULL answer, or an ACK."""
        return order_answers.parse_placed_order(order, body)

    def build_cancel_order(self, rule: TradingRule, client_order_id: str, exchange_order_id: str | None) -> RestRequest:
        """DELETE /api/v3/order."""
        return orders.build_cancel_order(rule, client_order_id, exchange_order_id)

    def parse_cancelled_order(self, rule: TradingRule, body: bytes) -> OrderUpdate:
        """By origClientOrderId."""
        return order_answers.parse_order(rule, body)

    def build_cancel_all(self, rule: TradingRule) -> RestRequest:
        """DELETE /api/v3/openOrders."""
        return orders.build_cancel_all(rule)

    def parse_cancel_all(self, rule: TradingRule, body: bytes) -> tuple[OrderUpdate, ...]:
        """Orders of order lists among them."""
        return order_answers.parse_cancel_all(rule, body)

    def build_open_orders(self, rule: TradingRule | None) -> RestRequest:
        """GET /api/v3/openOrders."""
        return orders.build_open_orders(rule)

    def parse_open_orders(self, pairs: Mapping[str, str], body: bytes) -> tuple[OrderUpdate, ...]:
        """Of the symbols that `pairs` names."""
        return order_answers.parse_open_orders(pairs, body)

    def build_order_status(self, rule: TradingRule, client_order_id: str, exchange_order_id: str | None) -> RestRequest:
        """GET /api/v3/order."""
        return orders.build_order_status(rule, client_order_id, exchange_order_id)

    def parse_order_status(self, rule: TradingRule, body: bytes) -> OrderUpdate:
        """The order's state; its fees are in its fills alone."""
        return order_answers.parse_order(rule, body)

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
        """Without client order ids."""
        return order_answers.parse_fills(rule, body)

    def build_balances(self) -> RestRequest:
        """GET /api/v3/account."""
        return balances.build_balances()

    def parse_balances(self, body: bytes, asked_ms: int) -> BalanceSnapshot:
        """Free and locked together are the total."""
        return balances.parse_balances(body, asked_ms)

    def parse_permissions(self, body: bytes) -> frozenset[str]:
        """What the account may do."""
        return balances.parse_permissions(body)

    # Signing, limits, errors

    def sign(self, request: RestRequest, credentials: Credentials | None, timestamp_ms: int) -> SignedRequest:
        """All parameters in the query, with recvWindow, timestamp and signature at its end."""
        return signing.sign_request(request, credentials, timestamp_ms, self.receive_window_ms)

    def rate_usage(self, headers: Mapping[str, str]) -> RateUsage:
        """From the X-MBX-… headers."""
        return limits.rate_usage(headers)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> ExchangeError | None:
        """By the code, the message and the HTTP status."""
        return errors.classify(status, headers, body)
