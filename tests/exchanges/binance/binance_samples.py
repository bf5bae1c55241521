"""What the tests of the Binance dialect share: excerpts of real payloads, and a rule to order by."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from openoutcry.exchanges.binance import BinanceSpot
from openoutcry.exchanges.dialect import NewOrder
from openoutcry.messages.orders import OrderType, TimeInForce, TradeSide
from openoutcry.messages.trading_rules import TradingRule

DATA = Path(__file__).parents[2] / "data" / "binance"

BINANCE = BinanceSpot()


def payloads(name: str) -> dict[str, Any]:
    """Name → decoded payload, of a .jsonl in the data folder."""
    lines = (json.loads(line) for line in (DATA / name).read_text().splitlines())
    return {line["name"]: line["payload"] for line in lines}


STREAM_MESSAGES = payloads("stream_messages.jsonl")
REST_ANSWERS = payloads("rest_answers.jsonl")


def body(payload: object) -> bytes:
    return json.dumps(payload).encode()


def rules_of(domain: str) -> tuple[TradingRule, ...]:
    """The rules recorded in us and tr."""
    return BINANCE.parse_trading_rules((DATA / f"exchange_info_{domain}.json").read_bytes())


@dataclass(frozen=True)
class Recorded:
    """One thing that came from the exchange: a snapshot of a symbol, or a frame if `symbol` is empty."""

    symbol: str
    payload: bytes


def recording(domain: str) -> Iterator[Recorded]:
    """In the order in which it came."""
    text = gzip.decompress((DATA / f"recorded_{domain}.tsv.gz").read_bytes()).decode()
    for line in text.splitlines():
        _, symbol, payload = line.split("\t")
        yield Recorded(symbol, payload.encode())


def a_rule(symbol: str = "BTCUSDT", base: str = "BTC", quote: str = "USDT") -> TradingRule:
    recorded = rules_of("us")[0]
    return replace(recorded, symbol=symbol, base_asset=base, quote_asset=quote, trading_pair=f"{base}-{quote}")


def an_order(**changes: Any) -> NewOrder:
    order = NewOrder(
        rule=a_rule(),
        client_order_id="hb-1_abc",
        side=TradeSide.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        amount=Decimal("0.01000000"),
        price=Decimal("25000.10"),
        self_trade_prevention=None,
    )
    return msgspec.structs.replace(order, **changes)
