"""Binance spot's WebSocket API as a pure session: `WsApiSession.answer(frame, now_ms) -> frame`.

Same parameters and results as REST, in envelopes `{"id", "status", "result" | "error", "rateLimits"}`. User streams are
subscriptions of a session; what the exchange then sends is `{"subscriptionId": …, "event": {…}}`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import orjson

from openoutcry.emulator.binance import account, market_data, order_entry
from openoutcry.emulator.binance.auth import (
    ApiKey,
    KeyKind,
    Permission,
    check_signature,
    check_time_window,
    ws_payload,
)
from openoutcry.emulator.binance.call import Call
from openoutcry.emulator.binance.errors import WireError, missing, unknown_key
from openoutcry.emulator.binance.exchange import BinanceExchange
from openoutcry.emulator.binance.limits import weight_view
from openoutcry.emulator.binance.market_data import Weight
from openoutcry.emulator.binance.parameters import Parameters
from openoutcry.emulator.engine import Rejected

MOST_SUBSCRIPTIONS: Final = 1_000
_LONGEST_ID: Final = 36
_SIGNED: Final = frozenset({"apiKey", "timestamp", "recvWindow", "signature"})
_ALWAYS: Final = frozenset({"returnRateLimits"})


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the documents that REST has as well."""

    weight: int | Weight
    permission: Permission | None
    reads: frozenset[str]
    handler: Callable[[BinanceExchange, Call], object]
    free_on_success: bool = False
    shows_orders: bool = False


class WsApiSession:
    """One connection to the WebSocket API."""

    def __init__(self, exchange: BinanceExchange, ip: str, now_ms: int, *, return_rate_limits: bool = True) -> None:
        self.exchange = exchange
        self.subscriptions: dict[int, str] = {}
        """Subscription id → account id."""
        self._usage = exchange.ip_usage(ip)
        self._connected_ms = now_ms
        self._logged_on: ApiKey | None = None
        self._logged_on_ms = 0
        self._next_subscription = 0
        self._return_rate_limits = return_rate_limits

    def answer(self, frame: str | bytes, now_ms: int) -> bytes:
        """Answer one frame. Nothing a client sends makes it raise."""
        request_id: object = None
        show_limits = self._return_rate_limits
        limits: list[dict[str, object]] = []
        envelope: dict[str, object]
        try:
            request = _read_object(frame)
            request_id = _read_id(request)
            method, values = _read_method(request)
            show_limits = values.get("returnRateLimits", show_limits) is not False
            envelope = {"id": request_id, "status": 200, "result": self._handle(method, values, limits, now_ms)}
        except WireError as error:
            shown = error.body()
            if error.retry_after_ms is not None:
                shown["data"] = {"serverTime": now_ms, "retryAfter": error.retry_after_ms}
            status = error.status if error.status in (403, 409, 418, 429) or error.status >= 500 else 400
            envelope = {"id": request_id, "status": status, "error": shown}
        except Rejected as refusal:
            envelope = {
                "id": request_id,
                "status": 400,
                "error": {"code": refusal.code, "msg": refusal.message},
            }
        if show_limits:
            envelope["rateLimits"] = [*limits, weight_view(self._usage)]
        return orjson.dumps(envelope)

    def close(self) -> None:
        """End the session and its subscriptions."""
        for account_id in self.subscriptions.values():
            self.exchange.listeners[account_id] -= 1
        self.subscriptions.clear()

    def end_subscriptions(self, account_id: str | None = None) -> list[int]:
        """Terminate the subscriptions of an account (or all), and return their ids."""
        ended = [number for number, owner in self.subscriptions.items() if account_id in (None, owner)]
        for number in ended:
            self.exchange.listeners[self.subscriptions.pop(number)] -= 1
        return ended

    def _handle(self, name: str, values: dict[str, object], limits: list[dict[str, object]], now_ms: int) -> object:
        session_method = _SESSION_METHODS.get(name)
        if session_method is not None:
            self._usage.charge(2, now_ms)
            return session_method(self, values, now_ms)
        method = METHODS.get(name)
        parameters = Parameters.of_json(values)
        weight = 1
        if method is not None:
            weight = method.weight if isinstance(method.weight, int) else method.weight(parameters)
        self._usage.charge(weight, now_ms)
        if method is None:
            raise WireError(-1020, "This operation is not supported.")
        if method.permission is None:
            parameters.only(method.reads | _ALWAYS)
            return method.handler(self.exchange, Call(parameters, now_ms))
        key = self._authenticate(values, parameters, method.permission, now_ms)
        parameters.only(method.reads | _SIGNED | _ALWAYS)
        result = method.handler(self.exchange, Call(parameters, now_ms, key.account_id))
        if method.free_on_success:
            self._usage.refund(weight)
        if method.shows_orders:
            limits.extend(self.exchange.order_usage(key.account_id).view(now_ms, with_count=True))
        return result

    def _authenticate(
        self, values: dict[str, object], parameters: Parameters, permission: Permission, now_ms: int
    ) -> ApiKey:
        """The key that signed the request, or that of the session if the request names none."""
        sent = parameters.values
        logged_on = self._logged_on
        if "apiKey" not in sent and logged_on is not None:
            check_time_window(sent.get("timestamp"), sent.get("recvWindow"), now_ms)
            return self.exchange.keys.find(logged_on.key, permission)
        if "apiKey" not in sent:
            raise missing("apiKey")
        key = self.exchange.keys.find(sent["apiKey"], permission)
        check_time_window(sent.get("timestamp"), sent.get("recvWindow"), now_ms)
        check_signature(key, ws_payload(values), sent.get("signature"))
        return key

    # Methods of the session itself

    def _log_on(self, values: dict[str, object], now_ms: int) -> object:
        parameters = Parameters.of_json(values)
        parameters.only(_SIGNED | _ALWAYS)
        if "apiKey" not in parameters.values:
            raise missing("apiKey")
        key = self._authenticate(values, parameters, Permission.READ, now_ms)
        if key.kind is not KeyKind.ED25519:
            raise WireError(-4056, f"{key.kind} API key is not supported.")
        self._logged_on = key
        self._logged_on_ms = now_ms
        return self._status(values, now_ms)

    def _status(self, _values: dict[str, object], now_ms: int) -> object:
        key = self._logged_on
        return {
            "apiKey": key.key if key else None,
            "authorizedSince": self._logged_on_ms if key else None,
            "connectedSince": self._connected_ms,
            "returnRateLimits": self._return_rate_limits,
            "serverTime": now_ms,
            "userDataStream": bool(self.subscriptions),
        }

    def _log_out(self, values: dict[str, object], now_ms: int) -> object:
        self._logged_on = None
        self._logged_on_ms = 0
        return self._status(values, now_ms)

    def _subscribe(self, _values: dict[str, object], _now_ms: int) -> object:
        if self._logged_on is None:
            raise unknown_key()
        return self._open_subscription(self.exchange.keys.find(self._logged_on.key, Permission.READ))

    def _subscribe_signed(self, values: dict[str, object], now_ms: int) -> object:
        parameters = Parameters.of_json(values)
        if "apiKey" not in parameters.values:
            raise missing("apiKey")
        key = self._authenticate(values, parameters, Permission.READ, now_ms)
        parameters.only(_SIGNED | _ALWAYS)
        return self._open_subscription(key)

    def _open_subscription(self, key: ApiKey) -> object:
        if key.account_id in self.subscriptions.values():
            raise WireError(-2035, "User Data Stream subscription already active.")
        if len(self.subscriptions) >= MOST_SUBSCRIPTIONS:
            raise WireError(-1191, "Too many active subscriptions.")
        number = self._next_subscription
        self._next_subscription += 1
        self.subscriptions[number] = key.account_id
        self.exchange.listeners[key.account_id] += 1
        return {"subscriptionId": number}

    def _unsubscribe(self, values: dict[str, object], _now_ms: int) -> object:
        number = Parameters.of_json(values).optional_integer("subscriptionId")
        if number is None:
            self.close()
        elif number not in self.subscriptions:
            raise WireError(-2036, "User Data Stream subscription not found.")
        else:
            self.exchange.listeners[self.subscriptions.pop(number)] -= 1
        return {}

    def _list_subscriptions(self, _values: dict[str, object], _now_ms: int) -> object:
        return [{"subscriptionId": number} for number in self.subscriptions]


def _read_object(frame: str | bytes) -> dict[str, object]:
    try:
        request = orjson.loads(frame)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        request = None
    if not isinstance(request, dict):
        raise WireError(-1135, "Invalid JSON request.")
    return request


def _read_id(request: dict[str, object]) -> object:
    request_id = request.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, (int, str, type(None))):
        raise WireError(-1135, "Invalid 'id' in JSON request; expected an integer, a string or null.")
    if isinstance(request_id, str) and len(request_id) > _LONGEST_ID:
        raise WireError(-1135, f"Invalid 'id' in JSON request; expected at most {_LONGEST_ID} characters.")
    return request_id


def _read_method(request: dict[str, object]) -> tuple[str, dict[str, object]]:
    method, values = request.get("method"), request.get("params")
    if not isinstance(method, str):
        raise WireError(-1135, "Invalid 'method' in JSON request; expected a string.")
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise WireError(-1135, "Invalid 'params' in JSON request; expected an object.")
    return method, values


_SESSION_METHODS: Final[dict[str, Callable[[WsApiSession, dict[str, object], int], object]]] = {
    "session.logon": WsApiSession._log_on,
    "session.status": WsApiSession._status,
    "session.logout": WsApiSession._log_out,
    "session.subscriptions": WsApiSession._list_subscriptions,
    "userDataStream.subscribe": WsApiSession._subscribe,
    "userDataStream.subscribe.signature": WsApiSession._subscribe_signed,
    "userDataStream.unsubscribe": WsApiSession._unsubscribe,
}

_NOTHING: Final[frozenset[str]] = frozenset()
_Handler: TypeAlias = Callable[[BinanceExchange, Call], object]


def _read(weight: int | Weight, reads: frozenset[str], handler: _Handler) -> Method:
    return Method(weight, Permission.READ, reads, handler)


METHODS: Final = {
    "ping": Method(1, None, _NOTHING, market_data.ping),
    "time": Method(1, None, _NOTHING, market_data.time),
    "exchangeInfo": Method(20, None, market_data.EXCHANGE_INFO, market_data.exchange_info),
    "depth": Method(market_data.depth_weight, None, market_data.DEPTH, market_data.depth),
    "trades.recent": Method(25, None, market_data.TRADES, market_data.trades),
    "trades.historical": Method(25, None, market_data.TRADES, market_data.trades),
    "trades.aggregate": Method(4, None, market_data.AGGREGATE_TRADES, market_data.aggregate_trades),
    "klines": Method(2, None, market_data.CANDLES, market_data.candles),
    "uiKlines": Method(2, None, market_data.CANDLES, market_data.candles),
    "avgPrice": Method(2, None, market_data.SYMBOL, market_data.average_price),
    "ticker.24hr": Method(market_data.one_or_many(2, 80), None, market_data.TICKER, market_data.day_ticker),
    "ticker.price": Method(market_data.one_or_many(2, 4), None, market_data.SYMBOLS, market_data.price),
    "ticker.book": Method(market_data.one_or_many(2, 4), None, market_data.SYMBOLS, market_data.book_ticker),
    "order.place": Method(1, Permission.TRADE, order_entry.PLACE, order_entry.place, True, True),
    "order.test": Method(1, Permission.TRADE, order_entry.PLACE | {"computeCommissionRates"}, order_entry.test),
    "order.cancel": Method(1, Permission.TRADE, order_entry.CANCEL, order_entry.cancel, True),
    "order.status": _read(4, order_entry.WHICH_ORDER, order_entry.query),
    "openOrders.status": _read(account.open_orders_weight, market_data.SYMBOL, order_entry.open_orders),
    "openOrders.cancelAll": Method(1, Permission.TRADE, market_data.SYMBOL, order_entry.cancel_all, True),
    "allOrders": _read(20, account.ALL_ORDERS, account.all_orders),
    "myTrades": _read(account.my_trades_weight, account.MY_TRADES, account.my_trades),
    "account.status": _read(20, account.ACCOUNT, account.status),
    "account.commission": _read(20, market_data.SYMBOL, account.commission),
    "account.rateLimits.orders": _read(40, _NOTHING, account.order_counts),
}
