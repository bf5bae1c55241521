"""Binance spot's REST API as one pure function: `http(exchange, request, now_ms) -> HttpResponse`.

The table at the end is the whole of it: method, path, weight, who may call, what it reads, what answers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import orjson

from openoutcry.emulator.binance import account, market_data, order_entry
from openoutcry.emulator.binance.auth import (
    Permission,
    check_signature,
    check_time_window,
    rest_payload,
)
from openoutcry.emulator.binance.call import Call
from openoutcry.emulator.binance.errors import WireError
from openoutcry.emulator.binance.exchange import BinanceExchange
from openoutcry.emulator.binance.limits import IpUsage
from openoutcry.emulator.binance.market_data import Weight
from openoutcry.emulator.binance.parameters import Parameters
from openoutcry.emulator.engine import Rejected

Handler: TypeAlias = Callable[[BinanceExchange, Call], object]

_SIGNED: Final = frozenset({"timestamp", "recvWindow", "signature"})


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it came, percent-encoding and all."""

    method: str
    path: str
    query: str = ""
    body: str = ""
    api_key: str | None = None
    ip: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What goes back. The body is JSON."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One line of the documents."""

    weight: int | Weight
    permission: Permission | None
    """None: public, no key, no signature."""
    reads: frozenset[str]
    handler: Handler
    free_on_success: bool = False
    """The weight is given back if the call succeeds (orders and cancels, since 2026-04-02)."""
    counts_orders: bool = False

    def weighs(self, parameters: Parameters) -> int:
        """The weight of one call."""
        return self.weight if isinstance(self.weight, int) else self.weight(parameters)


def http(exchange: BinanceExchange, request: HttpRequest, now_ms: int) -> HttpResponse:
    """Answer one REST request at wall time `now_ms`. Nothing a client sends makes it raise."""
    usage = exchange.ip_usage(request.ip)
    headers: dict[str, str] = {}
    try:
        endpoint = _endpoint(request)
        problem: WireError | None = None
        parameters = _NO_PARAMETERS
        try:
            parameters = Parameters.of_request(request.query, request.body)
        except WireError as error:
            problem = error  # malformed requests weigh, too
        weight = endpoint.weighs(parameters)
        usage.charge(weight, now_ms)
        if problem is not None:
            raise problem
        call = _admit(exchange, endpoint, request, parameters, now_ms)
        status, body = 200, orjson.dumps(endpoint.handler(exchange, call))
        if endpoint.free_on_success:
            usage.refund(weight)
        if endpoint.counts_orders:
            _add_order_counts(headers, exchange, call)
    except WireError as error:
        status, body = error.status, orjson.dumps(error.body())
        if error.retry_after_ms is not None:
            headers["Retry-After"] = str(max(1, -(-(error.retry_after_ms - now_ms) // 1000)))
    except Rejected as refusal:
        status, body = 400, orjson.dumps({"code": refusal.code, "msg": refusal.message})
    _add_weight(headers, usage)
    return HttpResponse(status, body, headers)


def _endpoint(request: HttpRequest) -> Endpoint:
    methods = ENDPOINTS.get(request.path)
    if methods is None:
        raise WireError(-1020, "This operation is not supported.", status=404)
    endpoint = methods.get(request.method)
    if endpoint is None:
        raise WireError(-1020, "This operation is not supported.", status=405)
    return endpoint


def _admit(
    exchange: BinanceExchange, endpoint: Endpoint, request: HttpRequest, parameters: Parameters, now_ms: int
) -> Call:
    permission = endpoint.permission
    if permission is None:
        _only_known(endpoint.reads, parameters)
        return Call(parameters, now_ms)
    key = exchange.keys.find(request.api_key, permission)
    values = parameters.values
    check_time_window(values.get("timestamp"), values.get("recvWindow"), now_ms)
    check_signature(key, rest_payload(request.query, request.body), values.get("signature"))
    parameters.only(endpoint.reads)
    return Call(parameters, now_ms, key.account_id)


def _only_known(reads: frozenset[str], parameters: Parameters) -> None:
    values = parameters.values
    if len(values) > len(reads):
        raise WireError(-1101, f"Too many parameters; expected '{len(reads)}' and received '{len(values)}'.")
    parameters.only(reads)


def _add_weight(headers: dict[str, str], usage: IpUsage) -> None:
    used = str(usage.weight.count)
    headers["X-MBX-USED-WEIGHT"] = used
    headers["X-MBX-USED-WEIGHT-1M"] = used


def _add_order_counts(headers: dict[str, str], exchange: BinanceExchange, call: Call) -> None:
    orders = exchange.order_usage(call.account_id)
    headers["X-MBX-ORDER-COUNT-10S"] = str(orders.ten_seconds.count)
    headers["X-MBX-ORDER-COUNT-1D"] = str(orders.day.count)


_NO_PARAMETERS: Final = Parameters({})
_NOTHING: Final[frozenset[str]] = frozenset()


def _public(weight: int | Weight, reads: frozenset[str], handler: Handler) -> dict[str, Endpoint]:
    return {"GET": Endpoint(weight, None, reads, handler)}


def _read(weight: int | Weight, reads: frozenset[str], handler: Handler) -> Endpoint:
    return Endpoint(weight, Permission.READ, reads | _SIGNED, handler)


def _trade(weight: int, reads: frozenset[str], handler: Handler, *, counts_orders: bool = False) -> Endpoint:
    return Endpoint(weight, Permission.TRADE, reads | _SIGNED, handler, True, counts_orders)


ENDPOINTS: Final[dict[str, dict[str, Endpoint]]] = {
    "/api/v3/ping": _public(1, _NOTHING, market_data.ping),
    "/api/v3/time": _public(1, _NOTHING, market_data.time),
    "/api/v3/exchangeInfo": _public(20, market_data.EXCHANGE_INFO, market_data.exchange_info),
    "/api/v3/depth": _public(market_data.depth_weight, market_data.DEPTH, market_data.depth),
    "/api/v3/trades": _public(25, market_data.TRADES, market_data.trades),
    "/api/v3/historicalTrades": _public(25, market_data.TRADES, market_data.trades),
    "/api/v3/aggTrades": _public(4, market_data.AGGREGATE_TRADES, market_data.aggregate_trades),
    "/api/v3/klines": _public(2, market_data.CANDLES, market_data.candles),
    "/api/v3/uiKlines": _public(2, market_data.CANDLES, market_data.candles),
    "/api/v3/avgPrice": _public(2, market_data.SYMBOL, market_data.average_price),
    "/api/v3/ticker/24hr": _public(market_data.one_or_many(2, 80), market_data.TICKER, market_data.day_ticker),
    "/api/v3/ticker/price": _public(market_data.one_or_many(2, 4), market_data.SYMBOLS, market_data.price),
    "/api/v3/ticker/bookTicker": _public(market_data.one_or_many(2, 4), market_data.SYMBOLS, market_data.book_ticker),
    "/api/v3/order": {
        "POST": _trade(1, order_entry.PLACE, order_entry.place, counts_orders=True),
        "DELETE": _trade(1, order_entry.CANCEL, order_entry.cancel),
        "GET": _read(4, order_entry.WHICH_ORDER, order_entry.query),
    },
    "/api/v3/order/test": {
        "POST": Endpoint(
            1,
            Permission.TRADE,
            order_entry.PLACE | _SIGNED | {"computeCommissionRates"},
            order_entry.test,
        )
    },
    "/api/v3/openOrders": {
        "DELETE": _trade(1, market_data.SYMBOL, order_entry.cancel_all),
        "GET": _read(account.open_orders_weight, market_data.SYMBOL, order_entry.open_orders),
    },
    "/api/v3/allOrders": {"GET": _read(20, account.ALL_ORDERS, account.all_orders)},
    "/api/v3/myTrades": {"GET": _read(account.my_trades_weight, account.MY_TRADES, account.my_trades)},
    "/api/v3/account": {"GET": _read(20, account.ACCOUNT, account.status)},
    "/api/v3/account/commission": {"GET": _read(20, market_data.SYMBOL, account.commission)},
    "/api/v3/rateLimit/order": {"GET": _read(40, _NOTHING, account.order_counts)},
    "/sapi/v1/capital/config/getall": {"GET": _read(10, _NOTHING, account.coins)},
    "/sapi/v1/asset/tradeFee": {"GET": _read(1, market_data.SYMBOL, account.trade_fees)},
    "/sapi/v1/account/apiRestrictions": {"GET": _read(1, _NOTHING, account.api_restrictions)},
    "/sapi/v1/margin/allPairs": _public(1, _SIGNED | {"symbol"}, account.no_margin_pairs),
    "/sapi/v1/margin/isolated/allPairs": _public(1, _SIGNED | {"symbol"}, account.no_margin_pairs),
    "/fapi/v1/exchangeInfo": _public(1, _NOTHING, account.no_derivatives),
    "/dapi/v1/exchangeInfo": _public(1, _NOTHING, account.no_derivatives),
}
