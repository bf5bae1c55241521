"""One depth diff of 20 changed levels, from bytes to a BookDiff: msgspec's typed decode against orjson and float().

Run: python benchmarks/decode.py
"""

import json
import random
import timeit
from collections.abc import Callable

import orjson

from openoutcry.exchanges.binance.market_data import BinanceMarketDecoder
from openoutcry.messages.market import BookDiff

LEVELS_A_SIDE = 10
CALLS = 20_000
REPEATS = 9


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


def microseconds(call: Callable[[], object]) -> float:
    """The best of several runs: the others were disturbed."""
    return min(timeit.repeat(call, number=CALLS, repeat=REPEATS)) / CALLS * 1e6


def main() -> None:
    diff = a_diff()
    raw = json.dumps(diff, separators=(",", ":")).encode()
    combined = json.dumps({"stream": "btcusdt@depth@100ms", "data": diff}, separators=(",", ":")).encode()
    quote = b'{"u":400900217,"s":"BTCUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}'
    decoder = BinanceMarketDecoder({"BTCUSDT": "BTC-USDT"})
    assert decoder.decode(raw, 1) == decoder.decode(combined, 1) == by_orjson(raw)
    for name, call in {
        "diff, raw": lambda: decoder.decode(raw, 1),
        "diff, raw, as text": lambda: decoder.decode(raw.decode(), 1),
        "diff, combined stream": lambda: decoder.decode(combined, 1),
        "diff, orjson and float()": lambda: by_orjson(raw),
        "best quote, raw": lambda: decoder.decode(quote, 1),
    }.items():
        print(f"{name:26} {microseconds(call):6.2f} µs")


if __name__ == "__main__":
    main()
