"""Subscribing to market streams. The exchange cuts a connection that sends it more than 5 messages in a second."""

from collections.abc import Sequence
from typing import Final

import msgspec

from openoutcry.messages.trading_rules import TradingRule

STREAMS: Final = ("depth@100ms", "trade", "bookTicker")
STREAMS_IN_A_FRAME: Final = 200
"""A frame of 200 names has about 5 kB. All 1,024 streams of a connection take six frames."""
MOST_STREAMS: Final = 1_024
"""On one connection, so 341 trading pairs."""


def subscription_frames(method: str, rules: Sequence[TradingRule], request_id: int) -> tuple[str, ...]:
    """`{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms","btcusdt@trade"],"id":1}`, as few as will do.

    All streams of a symbol are in one frame, and its diffs come first.
    """
    symbols_in_a_frame = STREAMS_IN_A_FRAME // len(STREAMS)
    frames: list[str] = []
    for start in range(0, len(rules), symbols_in_a_frame):
        some = rules[start : start + symbols_in_a_frame]
        names = [f"{rule.symbol.lower()}@{stream}" for rule in some for stream in STREAMS]
        frame = {"method": method, "params": names, "id": request_id + len(frames)}
        frames.append(msgspec.json.encode(frame).decode())
    return tuple(frames)
