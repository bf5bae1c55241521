"""Market streams without sockets: control messages, and diffs that rebuild the engine's own book."""

import json
from decimal import Decimal
from typing import Any

import pytest

from openoutcry.emulator.binance.exchange import BinanceExchange
from openoutcry.emulator.binance.limits import RateLimits
from openoutcry.emulator.binance.publisher import Publisher
from openoutcry.emulator.binance.streams import StreamSession, TooManyMessages, parse_stream
from openoutcry.emulator.engine import OrderFlow
from openoutcry.emulator.markets import default_markets

NOW = 1_767_225_600_000


def ask(session: StreamSession, request: object) -> Any:
    return json.loads(session.answer(json.dumps(request)))


@pytest.fixture
def session() -> StreamSession:
    return StreamSession(RateLimits(), [], combined=False)


def test_subscriptions_come_are_listed_and_go(session: StreamSession) -> None:
    names = ["btcusdt@depth@100ms", "btcusdt@trade"]
    assert ask(session, {"method": "SUBSCRIBE", "params": names, "id": 1}) == {"result": None, "id": 1}
    assert ask(session, {"method": "LIST_SUBSCRIPTIONS", "id": 2}) == {"result": names, "id": 2}
    ask(session, {"method": "UNSUBSCRIBE", "params": names[:1], "id": 3})
    assert list(session.streams) == names[1:]


def test_a_raw_connection_can_become_a_combined_one(session: StreamSession) -> None:
    assert ask(session, {"method": "SET_PROPERTY", "params": ["combined", True], "id": 1})["result"] is None
    assert ask(session, {"method": "GET_PROPERTY", "params": ["combined"], "id": 2})["result"] is True


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ([], 2),
        ({"params": [], "id": 1}, 2),
        ({"method": "BUY", "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": "btcusdt@trade", "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": [1], "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": ["a@trade"], "id": -1}, 2),
        ({"method": "SET_PROPERTY", "params": ["color", True], "id": 1}, 0),
        ({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}, 1),
        ({"method": "SET_PROPERTY", "params": ["combined", True, 1], "id": 1}, 2),
    ],
)
def test_a_bad_control_message_is_answered_with_its_code(session: StreamSession, request_: object, code: int) -> None:
    assert ask(session, request_)["code"] == code


def test_what_is_no_json_is_answered_as_such(session: StreamSession) -> None:
    assert json.loads(session.answer("{"))["code"] == 3


def test_the_sixth_message_within_a_second_is_one_too_many(session: StreamSession) -> None:
    for _ in range(5):
        session.count_message(NOW)
    with pytest.raises(TooManyMessages):
        session.count_message(NOW + 999)
    session = StreamSession(RateLimits(), [], combined=False)
    for number in range(50):
        session.count_message(NOW + number * 200)


def test_a_connection_has_1024_streams_at_most(session: StreamSession) -> None:
    names = [f"x{number}@trade" for number in range(1_025)]
    assert ask(session, {"method": "SUBSCRIBE", "params": names, "id": 1})["code"] == 2
    assert ask(session, {"method": "SUBSCRIBE", "params": names[1:], "id": 2}) == {"result": None, "id": 2}


@pytest.mark.parametrize("name", ["BTCUSDT@trade", "btcusdt", "btcusdt@depth7", "btcusdt@kline_7m", "!ticker@arr", ""])
def test_there_is_no_such_stream(name: str) -> None:
    assert parse_stream(name) is None


class Emulated:
    """Books that move, and the payloads of some streams."""

    def __init__(self, *streams: str) -> None:
        markets = default_markets()
        self.exchange = BinanceExchange([market for market, _ in markets.values()])
        self.flow = OrderFlow(7, {symbol: price for symbol, (_, price) in markets.items()}, levels=8, taker_share=0.3)
        self.flow.start(self.exchange.engine, NOW)
        self.publisher = Publisher(self.exchange)
        self.ticks = 0
        for name in streams:
            self.publisher.listen(name)

    def tick(self) -> list[tuple[str, Any]]:
        self.ticks += 1
        now = NOW + 100 * self.ticks
        self.exchange.record(self.flow.step(self.exchange.engine, now))
        payloads = self.publisher.at_once(now) + self.publisher.periodic(now, self.ticks)
        return [(name, json.loads(payload)) for name, payload in payloads]


@pytest.mark.parametrize("stream", ["btcusdt@depth@100ms", "btcusdt@depth"])
def test_diffs_without_gaps_lead_from_a_snapshot_to_the_engines_book(stream: str) -> None:
    emulated = Emulated(stream, "ethusdt@depth@100ms")
    emulated.tick()
    view = emulated.exchange.engine.depth("BTCUSDT", 5_000)
    bids = {format(price, ".8f"): format(quantity, ".8f") for price, quantity in view.bids}
    asks = {format(price, ".8f"): format(quantity, ".8f") for price, quantity in view.asks}
    last = view.last_update_id
    applied = 0
    previous: int | None = None
    while emulated.ticks < 60:
        for name, diff in emulated.tick():
            if name != stream:
                continue
            assert previous is None or diff["U"] == previous + 1
            previous = diff["u"]
            if diff["u"] <= last:
                continue
            assert diff["U"] <= last + 1
            last = diff["u"]
            applied += 1
            for side, changes in ((bids, diff["b"]), (asks, diff["a"])):
                for price, quantity in changes:
                    if Decimal(quantity):
                        side[price] = quantity
                    else:
                        side.pop(price, None)  # it came and went within one diff
    truth = emulated.exchange.engine.depth("BTCUSDT", 5_000)
    assert applied >= 5
    assert last == truth.last_update_id
    assert bids == {format(price, ".8f"): format(quantity, ".8f") for price, quantity in truth.bids}
    assert asks == {format(price, ".8f"): format(quantity, ".8f") for price, quantity in truth.asks}


def test_trades_best_prices_and_figures_agree_with_the_engine() -> None:
    emulated = Emulated(
        "btcusdt@trade",
        "btcusdt@aggTrade",
        "btcusdt@bookTicker",
        "btcusdt@depth5@100ms",
        "btcusdt@ticker",
        "btcusdt@miniTicker",
        "btcusdt@kline_1m",
        "btcusdt@avgPrice",
        "!miniTicker@arr",
    )
    seen: dict[str, list[Any]] = {}
    for _ in range(30):
        for name, payload in emulated.tick():
            seen.setdefault(name, []).append(payload)
    assert len(seen) == 9
    engine = emulated.exchange.engine
    trades = engine.recent_trades("BTCUSDT", 1_000)
    assert [trade["t"] for trade in seen["btcusdt@trade"]] == [trade.trade_id for trade in trades]
    assert [trade["a"] for trade in seen["btcusdt@aggTrade"]] == [trade.trade_id for trade in trades]
    best = engine.best("BTCUSDT")
    assert best.bid is not None
    assert Decimal(seen["btcusdt@bookTicker"][-1]["b"]) == best.bid[0]
    assert len(seen["btcusdt@depth5@100ms"][-1]["bids"]) == 5
    assert Decimal(seen["btcusdt@ticker"][-1]["c"]) == trades[-1].price
    assert seen["btcusdt@kline_1m"][-1]["k"]["n"] == len(trades)


def test_a_stream_that_nobody_listens_to_makes_nothing() -> None:
    emulated = Emulated("btcusdt@trade", "btcusdt@depth@100ms", "btcusdt@bookTicker", "nosuch@trade", "nonsense")
    for name in ("btcusdt@trade", "btcusdt@depth@100ms", "btcusdt@bookTicker", "nosuch@trade", "nonsense"):
        emulated.publisher.forget(name)
    assert [emulated.tick() for _ in range(5)] == [[]] * 5
    assert emulated.exchange.trade_outbox == []
