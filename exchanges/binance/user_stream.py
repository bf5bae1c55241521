"""The private stream, by the WebSocket API. Source: user-data-stream.md.

Events are wrapped as {"subscriptionId": 0, "event": {…}}; older payloads have the bare event, which is read as well.
An executionReport that trades gives the fill first and the order's state after it.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
from msgspec import field

from openoutcry.exchanges.binance.errors import stream_error
from openoutcry.exchanges.binance.market_data import SERVER_SHUTDOWN, SHUTDOWN_NOTICE
from openoutcry.exchanges.binance.order_states import end_reason, order_state
from openoutcry.exchanges.binance.wire import DECODING_ERRORS, NOTHING, Identifier, Milliseconds, Wire, malformed
from openoutcry.exchanges.dialect import StreamAnswer, StreamNotice, UserEvent
from openoutcry.messages.account import Balance, BalanceDelta, BalanceUpdate
from openoutcry.messages.orders import FillUpdate, OrderUpdate
from openoutcry.messages.rest import ExchangeError

NO_TRADE: Final = -1
STREAM_ENDED: Final = "eventStreamTerminated"
_WRAPPED_REPORT: Final = b'"event":{"e":"executionReport",'

_TradeId = Annotated[int, msgspec.Meta(ge=NO_TRADE)]


class _ErrorData(msgspec.Struct, rename="camel"):
    server_time: int | None = None
    retry_after: int | None = None


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""
    data: _ErrorData | None = None


class _AnyFrame(msgspec.Struct):
    """An event, bare or wrapped as `{"subscriptionId":0,"event":{…}}` or `{"stream":…,"data":{…}}`, or an answer."""

    kind: str | None = field(name="e", default=None)
    event: msgspec.Raw = NOTHING
    data: msgspec.Raw = NOTHING
    id: int | str | None = None
    status: int | None = None
    error: _Error | None = None


class _ExecutionReport(Wire, frozen=True):
    may_be_negative = frozenset({"fee_amount"})

    symbol: str = field(name="s")
    client_order_id: str = field(name="c")
    order_id: Identifier = field(name="i")
    status: str = field(name="X")
    executed_base: Decimal = field(name="z")
    executed_quote: Decimal = field(name="Z")
    time_ms: Milliseconds = field(name="T")
    original_client_order_id: str = field(name="C", default="")
    """On a cancel the order's id; c is then the cancel's own."""
    reject_reason: str | None = field(name="r", default=None)
    expiry_reason: str | None = field(name="eR", default=None)
    trade_id: _TradeId = field(name="t", default=NO_TRADE)
    price: Decimal = field(name="L", default=Decimal(0))
    amount: Decimal = field(name="l", default=Decimal(0))
    quote_amount: Decimal | None = field(name="Y", default=None)
    fee_amount: Decimal = field(name="n", default=Decimal(0))
    fee_asset: str | None = field(name="N", default=None)
    is_maker: bool = field(name="m", default=False)


class _WrappedReport(msgspec.Struct, frozen=True):
    """The frame that comes most, read in one go."""

    event: _ExecutionReport


class _AccountBalance(Wire, frozen=True):
    asset: str = field(name="a")
    free: Decimal = field(name="f")
    locked: Decimal = field(name="l")


class _AccountPosition(msgspec.Struct, frozen=True):
    balances: list[_AccountBalance] = field(name="B")
    updated_ms: Milliseconds = field(name="u")


class _BalanceUpdate(Wire, frozen=True):
    may_be_negative = frozenset({"delta"})

    asset: str = field(name="a")
    delta: Decimal = field(name="d")
    time_ms: Milliseconds = field(name="T")


def _decoder(shape: Any) -> Any:
    return msgspec.json.Decoder(shape, strict=False).decode


_any_frame = msgspec.json.Decoder(_AnyFrame).decode
_execution_report = _decoder(_ExecutionReport)
_wrapped_report = _decoder(_WrappedReport)
_account_position = _decoder(_AccountPosition)
_balance_update = _decoder(_BalanceUpdate)


def decode_user_frame(frame: bytes | str, pairs: Mapping[str, str]) -> tuple[UserEvent, ...]:
    """One frame → messages in their order; () for events of no use and for symbols that `pairs` does not name."""
    try:
        if type(frame) is bytes and _WRAPPED_REPORT in frame[:64]:
            return _from_execution_report(_wrapped_report(frame).event, pairs)
        seen = _any_frame(frame)
        payload: bytes | str = frame
        inner = seen.event or seen.data
        if inner:
            payload = bytes(inner)
            seen = _any_frame(payload)
        if seen.kind is None:
            return (_answer(seen),)
        return _event(seen.kind, payload, pairs)
    except DECODING_ERRORS as error:
        raise malformed("a frame of the user stream", frame, error) from None


def _event(kind: str, payload: bytes | str, pairs: Mapping[str, str]) -> tuple[UserEvent, ...]:
    if kind == "executionReport":
        return _from_execution_report(_execution_report(payload), pairs)
    if kind == "outboundAccountPosition":
        position: _AccountPosition = _account_position(payload)
        balances = tuple(
            Balance(asset=one.asset, total=one.free + one.locked, available=one.free) for one in position.balances
        )
        return (BalanceUpdate(balances=balances, updated_ms=position.updated_ms),)
    if kind == "balanceUpdate":
        change: _BalanceUpdate = _balance_update(payload)
        return (BalanceDelta(asset=change.asset, delta=change.delta, updated_ms=change.time_ms),)
    if kind == STREAM_ENDED:
        return (StreamNotice(is_ending=True, text="the exchange ended the subscription to the account's events"),)
    if kind == SERVER_SHUTDOWN:
        return (SHUTDOWN_NOTICE,)
    return ()  # listStatus, externalLockUpdate, and what may come to be


def _from_execution_report(report: _ExecutionReport, pairs: Mapping[str, str]) -> tuple[FillUpdate | OrderUpdate, ...]:
    trading_pair = pairs.get(report.symbol)
    if trading_pair is None:
        return ()
    client_order_id = report.original_client_order_id or report.client_order_id
    exchange_order_id = str(report.order_id)
    update = OrderUpdate(
        trading_pair=trading_pair,
        client_order_id=client_order_id,
        exchange_order_id=exchange_order_id,
        state=order_state(report.status, report.executed_base),
        executed_amount_base=report.executed_base,
        executed_amount_quote=report.executed_quote,
        updated_ms=report.time_ms,
        reason=end_reason(report.status, report.expiry_reason, report.reject_reason),
    )
    if report.trade_id == NO_TRADE or not report.amount:
        return (update,)
    fill = FillUpdate(
        trading_pair=trading_pair,
        client_order_id=client_order_id,
        exchange_order_id=exchange_order_id,
        trade_id=str(report.trade_id),
        price=report.price,
        amount=report.amount,
        quote_amount=report.price * report.amount if report.quote_amount is None else report.quote_amount,
        fee_asset=report.fee_asset or "",
        fee_amount=report.fee_amount,
        is_maker=report.is_maker,
        traded_ms=report.time_ms,
    )
    return (fill, update)


def _answer(seen: _AnyFrame) -> StreamAnswer:
    """`{"id":"u1","status":200,"result":{…}}` or `{"id":"u1","status":401,"error":{"code":-2015,"msg":"…"}}`."""
    if seen.status is None and seen.error is None:
        raise ValueError("it is neither an event nor an answer")
    error: ExchangeError | None = None
    if seen.error is not None:
        status = 400 if seen.status is None else seen.status
        error = stream_error(seen.error.code, seen.error.msg, status, _retry_after_s(seen.error.data))
    elif seen.status is not None and not 200 <= seen.status < 300:
        error = stream_error(0, f"status {seen.status}", seen.status, None)
    return StreamAnswer(request_id="" if seen.id is None else str(seen.id), error=error)


def _retry_after_s(data: _ErrorData | None) -> float | None:
    """Both are times of the exchange's clock, in ms since the epoch."""
    if data is None or data.retry_after is None or data.server_time is None:
        return None
    return max(0.0, (data.retry_after - data.server_time) / 1000)
