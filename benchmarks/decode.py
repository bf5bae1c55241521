"""One depth diff of 20 changed levels, from bytes to a BookDiff: msgspec's typed decode against orjson and float().

python benchmarks/decode.py [--calls N] [--rounds N] [--json]
"""

import argparse
import json
import random
import timeit
from collections.abc import Callable
from typing import Any

import orjson
from rounds import METHOD, best, pin, spread_of, take_turns

from openoutcry.exchanges.binance.market_data import BinanceMarketDecoder
from openoutcry.messages.market import BookDiff

LEVELS_A_SIDE = 10


def a_diff() -> dict[str, object]:
    chance = random.Random(1)
    bids, asks = (
        [[f"{60_000 + chance.random() * 10:.8f}", f"{chance.random() * 3:.8f}"] for _ in range(LEVELS_A_SIDE)]
        for _ in range(2)
    )
    return {"e": "depthUpdate", "E": 1767225600123, "s": "BTCUSDT", "U": 157, "u": 160, "b": bids, "a": asks}


def by_orjson(frame: bytes) -> BookDiff:
    told = orjson.loads(frame)
    return BookDiff(
        "BTC-USDT",
        told["U"],
        told["u"],
        [(float(price), float(amount)) for price, amount in told["b"]],
        [(float(price), float(amount)) for price, amount in told["a"]],
        told["E"],
        1,
    )


def table(report: dict[str, Any]) -> str:
    lines = [f"Decode: one frame from bytes to a message, {report['calls']:,} calls, µs a call"]
    lines.append(f"{'':32}{'best':>10}  rounds")
    for name, row in report["rows"].items():
        lines.append(f"{name:32}{row['us']:>10.2f}  {spread_of(row, 'us', digits=2)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000, help="calls in a round (default: 20000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    pin(0)
    diff = a_diff()
    raw = json.dumps(diff, separators=(",", ":")).encode()
    combined = json.dumps({"stream": "btcusdt@depth@100ms", "data": diff}, separators=(",", ":")).encode()
    quote = b'{"u":400900217,"s":"BTCUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}'
    decoder = BinanceMarketDecoder({"BTCUSDT": "BTC-USDT"})
    assert decoder.decode(raw, 1) == decoder.decode(combined, 1) == by_orjson(raw)
    calls: dict[str, Callable[[], object]] = {
        "diff, raw": lambda: decoder.decode(raw, 1),
        "diff, raw, as text": lambda: decoder.decode(raw.decode(), 1),
        "diff, combined stream": lambda: decoder.decode(combined, 1),
        "diff, orjson and float()": lambda: by_orjson(raw),
        "best quote, raw": lambda: decoder.decode(quote, 1),
    }
    rows = take_turns(
        calls,
        options.rounds,
        lambda name: {"us": timeit.timeit(calls[name], number=options.calls) / options.calls * 1e6},
    )
    report = {
        "benchmark": "decode",
        "method": METHOD,
        "calls": options.calls,
        "rows": {name: best(of_one) for name, of_one in rows.items()},
    }
    print(json.dumps(report) if options.json else table(report))


if __name__ == "__main__":
    main()
