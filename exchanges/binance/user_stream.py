"""The private stream, by the WebSocket API. Source: user-data-stream.md.

Events are wrapped as {"subscriptionId": 0, "event": {…}}; older payloads and recordings have the bare event, which is read
as well. An executionReport that trades gives the fill first and the order's state after it.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec
import orjson

from openoutcry.exchanges.binance.errors import error_of
from openoutcry.exchanges.binance.orders import ORDER_STATES
from openoutcry.exchanges.binance.payload import excerpt, finite, not_negative
from openoutcry.exchanges.dialect import MalformedPayload, StreamAnswer, StreamNotice, UserEvent
from openoutcry.messages.account import Balance, BalanceDelta, BalanceUpdate
from openoutcry.messages.orders import FillUpdate, OrderUpdate

_ZERO: Final = Decimal(0)


class _Execution(msgspec.Struct):
    s: str
    c: str
    """Client order id; on a cancel that of the cancel."""
    x: str
    """Execution type."""
    X: str
    """Order status."""
    i: int
    z: Decimal
    """Cumulative filled quantity."""
    T: int
    C: str | None = ""
    """On a cancel the order's own client order id."""
    Z: Decimal = _ZERO
    """Cumulative quote quantity."""
    l: Decimal = _ZERO  # noqa: E741 - Binance's name of the last quantity
    L: Decimal = _ZERO
    Y: Decimal = _ZERO
    n: Decimal | None = None
    N: str | None = None
    t: int = -1
    m: bool = False
    r: str = "NONE"
    eR: int | str | None = None  # noqa: N815


class _AccountBalance(msgspec.Struct):
    a: str
    f: Decimal
    l: Decimal  # noqa: E741 - Binance's name of what is locked


class _AccountPosition(msgspec.Struct):
    u: int
    B: list[_AccountBalance]
    E: int = 0


class _BalanceUpdate(msgspec.Struct):
    a: str
    d: Decimal
    T: int


def decode_user_frame(frame: bytes | str, pairs: Mapping[str, str]) -> tuple[UserEvent, ...]:
    """One frame → messages in their order; events of no use, and of symbols not in `pairs`, give ().

    Raises:
        MalformedPayload: the frame is not what the exchange documents.
    """
    try:
        loaded = orjson.loads(frame)
        if not isinstance(loaded, dict):
            raise MalformedPayload(f"expected a JSON object, received {excerpt(frame)}")
        event = loaded.get("event", loaded)
        if not isinstance(event, dict):
            raise MalformedPayload(f"expected an event object, received {excerpt(frame)}")
        kind = event.get("e")
        if kind is None:
            return _answer(loaded)
        return _decode_event(kind, event, pairs)
    except (msgspec.MsgspecError, orjson.JSONDecodeError, UnicodeError, RecursionError) as error:
        raise MalformedPayload(f"expected a user stream frame: {error}; received {excerpt(frame)}") from None


def _decode_event(kind: object, event: dict[str, object], pairs: Mapping[str, str]) -> tuple[UserEvent, ...]:
    match kind:
        case "executionReport":
            return _execution(msgspec.convert(event, _Execution, strict=False), pairs)
        case "outboundAccountPosition":
            position = msgspec.convert(event, _AccountPosition, strict=False)
            balances = tuple(_balance(one) for one in position.B)
            return (BalanceUpdate(balances=balances, updated_ms=position.u),)
        case "balanceUpdate":
            update = msgspec.convert(event, _BalanceUpdate, strict=False)
            return (BalanceDelta(asset=update.a, delta=finite(update.d, "delta"), updated_ms=update.T),)
        case "eventStreamTerminated":
            return (StreamNotice(is_ending=True, text="the exchange ended the user stream"),)
        case "serverShutdown":
            return (StreamNotice(is_ending=True, text="the server announced its shutdown"),)
        case _:
            return ()


def _execution(report: _Execution, pairs: Mapping[str, str]) -> tuple[UserEvent, ...]:
    pair = pairs.get(report.s)
    if pair is None:
        return ()
    state = ORDER_STATES.get(report.X)
    if state is None:
        raise MalformedPayload(f"expected an order status of {', '.join(ORDER_STATES)}, received {report.X!r:.40}")
    client_order_id = report.C or report.c
    update = OrderUpdate(
        trading_pair=pair,
        client_order_id=client_order_id,
        exchange_order_id=str(report.i),
        state=state,
        executed_amount_base=not_negative(report.z, "cumulative quantity"),
        executed_amount_quote=finite(report.Z, "cumulative quote quantity"),
        updated_ms=report.T,
        reason=_reason(report),
    )
    if report.x != "TRADE" or report.t < 0:
        return (update,)
    fill = FillUpdate(
        trading_pair=pair,
        client_order_id=client_order_id,
        exchange_order_id=str(report.i),
        trade_id=str(report.t),
        price=not_negative(report.L, "last price"),
        amount=not_negative(report.l, "last quantity"),
        quote_amount=finite(report.Y, "last quote quantity") or report.L * report.l,
        fee_asset=report.N or "",
        fee_amount=finite(report.n, "commission") if report.n is not None else _ZERO,
        is_maker=report.m,
        traded_ms=report.T,
    )
    return (fill, update)


def _reason(report: _Execution) -> str:
    if report.r not in ("NONE", ""):
        return report.r
    if report.X.startswith("EXPIRED"):
        return f"{report.X}{f' ({report.eR})' if report.eR else ''}"
    return ""


def _balance(one: _AccountBalance) -> Balance:
    free, locked = not_negative(one.f, "free amount"), not_negative(one.l, "locked amount")
    return Balance(asset=one.a, total=free + locked, available=free)


def _answer(loaded: dict[str, object]) -> tuple[UserEvent, ...]:
    request_id, status = loaded.get("id"), loaded.get("status")
    if request_id is None and status is None:
        return ()
    error = loaded.get("error")
    if not isinstance(error, dict):
        return (StreamAnswer(request_id=str(request_id), error=None),)
    data = error.get("data")
    server_ms, retry_ms = (data.get("serverTime"), data.get("retryAfter")) if isinstance(data, dict) else (None, None)
    retry_s = None
    if isinstance(server_ms, int) and isinstance(retry_ms, int):
        retry_s = max(0, retry_ms - server_ms) / 1000
    meaning = error_of(
        status if isinstance(status, int) else 400, error.get("code"), str(error.get("msg", "")), retry_s
    )
    return (StreamAnswer(request_id=str(request_id), error=meaning),)
