"""What user streams tell: executionReport, outboundAccountPosition, balanceUpdate.

Source: Binance spot documents, "User data stream". Every documented field is there.
"""

from typing import Final

from openoutcry.emulator.binance.render import JsonObject, amount
from openoutcry.emulator.engine import BalanceDelta, BalanceReport, ExecutionType, OrderReport

_NONE: Final = "0.00000000"


def user_event(event: OrderReport | BalanceReport | BalanceDelta) -> JsonObject:
    """The payload of one event, without its subscription."""
    if isinstance(event, OrderReport):
        return _execution_report(event)
    if isinstance(event, BalanceReport):
        return {
            "e": "outboundAccountPosition",
            "E": event.time_ms,
            "u": event.time_ms,
            "B": [{"a": one.asset, "f": amount(one.free), "l": amount(one.locked)} for one in event.balances],
        }
    return {
        "e": "balanceUpdate",
        "E": event.time_ms,
        "a": event.asset,
        "d": amount(event.delta),
        "T": event.time_ms,
    }


def _execution_report(report: OrderReport) -> JsonObject:
    order, trade = report.order, report.trade
    is_cancel = report.execution_type is ExecutionType.CANCELED and report.cancel_id is not None
    shown: JsonObject = {
        "e": "executionReport",
        "E": report.time_ms,
        "s": order.symbol,
        "c": report.cancel_id if is_cancel else order.client_order_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": amount(order.quantity),
        "p": amount(order.price),
        "P": _NONE,
        "F": _NONE,
        "g": -1,
        "C": order.client_order_id if is_cancel else "",
        "x": report.execution_type,
        "X": order.status,
        "r": "NONE",
        "i": order.order_id,
        "l": amount(trade.quantity) if trade else _NONE,
        "z": amount(order.executed_quantity),
        "L": amount(trade.price) if trade else _NONE,
        "n": amount(trade.fee) if trade else "0",
        "N": trade.fee_asset if trade else None,
        "T": report.time_ms,
        "t": trade.trade_id if trade else -1,
        "I": report.execution_id,
        "w": report.is_on_book,
        "m": trade.is_maker if trade else False,
        "M": trade is not None,
        "O": order.created_ms,
        "Z": amount(order.executed_quote),
        "Y": amount(trade.quote_quantity) if trade else _NONE,
        "Q": amount(order.quote_quantity),
        "W": order.created_ms,
        "V": order.self_trade_prevention_mode,
    }
    if order.prevented_match_id is not None:
        shown["v"] = order.prevented_match_id
        shown["A"] = amount(order.prevented_quantity)
        if report.last_prevented_quantity is not None:
            shown["B"] = amount(report.last_prevented_quantity)
    if order.expiry_reason is not None:
        shown["eR"] = order.expiry_reason
    return shown


def stream_terminated(now_ms: int) -> JsonObject:
    """The last event of a user stream. Who wants more subscribes again."""
    return {"e": "eventStreamTerminated", "E": now_ms}


def server_shutdown(now_ms: int) -> JsonObject:
    """The server is about to go; clients reconnect at once."""
    return {"e": "serverShutdown", "E": now_ms}
