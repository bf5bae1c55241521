"""The contract of an exchange: everything that is particular to it, as pure functions and tables.

A dialect does no I/O, reads no clock and holds no secret. It builds requests, says how they are signed with credentials
that are handed to it, and turns what came over the wire into messages. The actors do the rest and know no exchange by
name.

Rules of every parser: what cannot be understood raises `MalformedPayload` and nothing else; a field that is not needed
is not looked at, so that an exchange may add fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Protocol

import msgspec

from openoutcry.messages.account import BalanceDelta, BalanceSnapshot, BalanceUpdate
from openoutcry.messages.market import BestQuote, BookDiff, BookSnapshot, PublicTrade
from openoutcry.messages.orders import FillUpdate, OrderType, OrderUpdate, TimeInForce, TradeSide
from openoutcry.messages.rest import ExchangeError, RestRequest, SignedRequest
from openoutcry.messages.trading_rules import RateLimit, TradeFee, TradingRule


class MalformedPayload(ValueError):
    """What came over the wire is not what the exchange documents. Says what was expected, with an excerpt."""


class UnusableCredentials(ValueError):
    """The key or secret is not of a form that the exchange accepts. Never shows any part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """An API key with its secret. Held by the signer alone; no part of it is ever shown."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    """An HMAC secret, or a private key in PEM form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where an exchange is reached, without a trailing slash."""

    rest_url: str
    ws_url: str
    """Public market data streams."""
    ws_api_url: str
    """Private user stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTimings:
    """What the exchange promises of a stream, and what we make of it. All in seconds."""

    longest_silence_s: float
    """A stream that is silent for longer, its server's pings included, is dead."""
    lifetime_s: float
    """After this long the exchange cuts the stream; it is renewed before."""
    probe: str | None = None
    """A frame whose answer proves that the stream is alive; None: a WebSocket ping does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOrderIdRule:
    """What a client order id may look like."""

    prefix: str
    max_length: int
    alphabet: str
    """Characters allowed after the prefix."""


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is quantised and checked, ready to be told to the exchange in its own words."""

    rule: TradingRule
    client_order_id: str
    side: TradeSide
    order_type: OrderType
    time_in_force: TimeInForce
    amount: Decimal
    price: Decimal | None
    self_trade_prevention: str | None


class SnapshotSource(Enum):
    """Where the first state of a book comes from."""

    REST = "rest"
    STREAM = "stream"


class DiffVerdict(Enum):
    """What the sync rule says of a diff, given the book's last update id."""

    APPLY = "apply"
    IGNORE = "ignore"
    """The book holds it already."""
    GAP = "gap"


class SyncRule(Protocol):
    """The exchange's documented way to keep a book in step; numbers in, a verdict out."""

    snapshot_source: SnapshotSource
    snapshot_depth: int
    """Levels to ask for."""

    def snapshot_is_usable(self, snapshot_update_id: int, first_buffered: BookDiff | None) -> bool:
        """Whether a snapshot is new enough to be continued by the diffs buffered so far; else it is fetched again."""

    def verdict(self, last_update_id: int, diff: BookDiff, *, first_after_snapshot: bool) -> DiffVerdict:
        """What to do with a diff when the book is at `last_update_id`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamNotice:
    """Something on a stream that is neither data nor an answer: the exchange says what it is about to do."""

    is_ending: bool
    """Whether the exchange is about to close the stream: renew it now."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAnswer:
    """The answer to a request that was sent on the stream."""

    request_id: str
    error: ExchangeError | None


MarketEvent = BookDiff | BookSnapshot | PublicTrade | BestQuote | StreamNotice | StreamAnswer
UserEvent = OrderUpdate | FillUpdate | BalanceUpdate | BalanceDelta | StreamNotice | StreamAnswer


class MarketDecoder(Protocol):
    """Turns frames of the public stream into messages. Made for a set of symbols; holds no other state."""

    def decode(self, frame: bytes | str, received_ns: int) -> MarketEvent | None:
        """One frame → one message; None for what is known and of no use.

        This is the hot path: no logging, no Decimal, no copies.

        Raises:
            MalformedPayload: the frame is not what the exchange documents, or names a symbol that was not asked for.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class RateUsage:
    """What an answer's headers say of the budgets."""

    used: tuple[tuple[str, int], ...] = ()
    """(RateLimit.name, used in the present interval)."""
    retry_after_s: float | None = None


class SpotDialect(Protocol):
    """A spot exchange. `exchanges/binance/` is the first; read it beside this contract."""

    name: str
    domains: Mapping[str, Endpoints]
    """By the config's word for it; the first is the default."""
    timings: StreamTimings
    user_stream_timings: StreamTimings
    sync_rule: SyncRule
    client_order_id_rule: ClientOrderIdRule
    default_rate_limits: tuple[RateLimit, ...]
    """In force until the exchange names its own."""
    default_fee: TradeFee
    """When the account's fees are not known; its trading pair is empty."""
    real_time_balance_update: bool
    """Whether the user stream tells balances. If not they are estimated from activity since the last REST balance."""
    receive_window_ms: int
    """How long after its stamp the exchange may accept a request: asked later, "there is no such order" is final."""

    # Trading rules, symbols, fees, prices, time

    def build_trading_rules(self) -> RestRequest:
        """The request for the rules of all symbols."""

    def parse_trading_rules(self, body: bytes) -> tuple[TradingRule, ...]:
        """Rules of every spot symbol, those that are not trading now included (`is_trading` says so)."""

    def parse_rate_limits(self, body: bytes) -> tuple[RateLimit, ...]:
        """The budgets, from the same answer as the trading rules; empty when it names none."""

    def build_fees(self, rule: TradingRule) -> RestRequest:
        """The request for the account's fees on a pair."""

    def parse_fees(self, rule: TradingRule, body: bytes) -> TradeFee:
        """The account's fees on a pair."""

    def build_last_prices(self, rules: Sequence[TradingRule]) -> RestRequest:
        """The request for last traded prices."""

    def parse_last_prices(self, rules: Sequence[TradingRule], body: bytes) -> tuple[tuple[str, float], ...]:
        """(trading pair, last price) for each of the pairs that the exchange named."""

    def build_server_time(self) -> RestRequest:
        """The request for the exchange's clock."""

    def parse_server_time(self, body: bytes) -> int:
        """The exchange's clock in ms since the epoch."""

    # Market data

    def build_book_snapshot(self, rule: TradingRule) -> RestRequest:
        """The request for a book to start from."""

    def parse_book_snapshot(self, rule: TradingRule, body: bytes, received_ns: int) -> BookSnapshot:
        """The book that the exchange answered."""

    def market_stream_url(self, endpoints: Endpoints) -> str:
        """Where the public stream is opened; subscriptions follow as frames."""

    def subscribe_frames(self, rules: Sequence[TradingRule], request_id: int) -> tuple[str, ...]:
        """Frames that subscribe to book diffs, trades and best quotes; ids count up from `request_id`."""

    def unsubscribe_frames(self, rules: Sequence[TradingRule], request_id: int) -> tuple[str, ...]:
        """Frames that undo `subscribe_frames`."""

    def market_decoder(self, rules: Sequence[TradingRule]) -> MarketDecoder:
        """A decoder that knows these symbols."""

    # User stream

    def user_stream_url(self, endpoints: Endpoints) -> str:
        """Where the private stream is opened; the login frame follows."""

    def sign_stream_login(self, request_id: str, credentials: Credentials, timestamp_ms: int) -> str:
        """The frame that opens the user stream.

        Raises:
            UnusableCredentials: the secret is of no form that can sign.
        """

    def decode_user_frame(self, frame: bytes | str, pairs: Mapping[str, str]) -> tuple[UserEvent, ...]:
        """One frame of the private stream → messages in their order. `pairs` maps symbol → trading pair.

        An order's own execution and its state come as a `FillUpdate` followed by an `OrderUpdate`. Events of no use
        give ().

        Raises:
            MalformedPayload: the frame is not what the exchange documents.
        """

    # Orders and balances

    def build_place_order(self, order: NewOrder) -> RestRequest:
        """The request that places an order."""

    def parse_placed_order(self, order: NewOrder, body: bytes) -> tuple[OrderUpdate | FillUpdate, ...]:
        """What the answer to a placement says: fills first, the state last."""

    def build_cancel_order(self, rule: TradingRule, client_order_id: str, exchange_order_id: str | None) -> RestRequest:
        """The request that cancels one order."""

    def parse_cancelled_order(self, rule: TradingRule, body: bytes) -> OrderUpdate:
        """What the answer to a cancel says; `client_order_id` is the order's, not the cancel's."""

    def build_cancel_all(self, rule: TradingRule) -> RestRequest:
        """The request that cancels all open orders of the account on a pair."""

    def parse_cancel_all(self, rule: TradingRule, body: bytes) -> tuple[OrderUpdate, ...]:
        """The orders that were cancelled."""

    def build_open_orders(self, rule: TradingRule | None) -> RestRequest:
        """The request for the account's open orders, on one pair or on all."""

    def parse_open_orders(self, pairs: Mapping[str, str], body: bytes) -> tuple[OrderUpdate, ...]:
        """The open orders; those of symbols that `pairs` does not name are left out."""

    def build_order_status(self, rule: TradingRule, client_order_id: str, exchange_order_id: str | None) -> RestRequest:
        """The request for one order: by exchange order id where given, else by client order id."""

    def parse_order_status(self, rule: TradingRule, body: bytes) -> OrderUpdate:
        """What the exchange says of the order."""

    def build_fills(
        self,
        rule: TradingRule,
        exchange_order_id: str | None,
        from_trade_id: str | None = None,
        start_ms: int | None = None,
    ) -> RestRequest:
        """The request for fills: of one order, or of the pair from a trade id or a time on."""

    def parse_fills(self, rule: TradingRule, body: bytes) -> tuple[FillUpdate, ...]:
        """The fills, oldest first. Their client order ids are empty where the exchange does not tell them."""

    def build_balances(self) -> RestRequest:
        """The request for the account's balances."""

    def parse_balances(self, body: bytes, asked_ms: int) -> BalanceSnapshot:
        """All balances that are not zero."""

    def parse_permissions(self, body: bytes) -> frozenset[str]:
        """What the key may do, from the answer to `build_balances`: of {"read", "trade", "withdraw"}."""

    # Signing, limits, errors

    def sign(self, request: RestRequest, credentials: Credentials | None, timestamp_ms: int) -> SignedRequest:
        """Stamp, sign and encode a request for the wire. `credentials` may be None for a PUBLIC request.

        Raises:
            UnusableCredentials: none were given where they are needed, or the secret is of no form that can sign.
        """

    def rate_usage(self, headers: Mapping[str, str]) -> RateUsage:
        """What an answer's headers (names in lower case) say of the budgets."""

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> ExchangeError | None:
        """None for a success; else what the error means. Never raises: a body that is no JSON has a meaning too."""
