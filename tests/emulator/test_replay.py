"""Recordings of live exchanges, replayed over real sockets: their own best prices prove the book."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from openoutcry.emulator.binance.rest import HttpRequest
from openoutcry.emulator.command import emulate
from openoutcry.emulator.recording import BadRecording, Recording
from openoutcry.emulator.replay import Replay, ReplayStart
from openoutcry.emulator.server import EmulatorServer

RECORDINGS = Path(__file__).parents[1] / "data" / "recordings"
PROOFS = {"binance_us": (336, 56), "binance_tr": (84, 24)}
"""Diffs in the recording, and best prices in it that carry the update id of a diff."""


class Follower:
    """The documented sync rule, for one symbol."""

    def __init__(self) -> None:
        self.buffered: list[Any] = []
        self.last: int | None = None
        self.sides: dict[str, dict[Decimal, str]] = {"b": {}, "a": {}}
        self.best: dict[int, tuple[Decimal | None, Decimal | None]] = {}

    def snapshot(self, view: Any) -> None:
        self.last = view["lastUpdateId"]
        for name, levels in (("b", view["bids"]), ("a", view["asks"])):
            self.sides[name] = {Decimal(price): quantity for price, quantity in levels}
        for diff in self.buffered:
            self.apply(diff)

    def apply(self, diff: Any) -> None:
        if self.last is None:
            self.buffered.append(diff)
            return
        if diff["u"] <= self.last:
            return
        assert diff["U"] <= self.last + 1, "a gap"
        self.last = diff["u"]
        for name, side in self.sides.items():
            for price, quantity in diff[name]:
                if Decimal(quantity):
                    side[Decimal(price)] = quantity
                else:
                    side.pop(Decimal(price), None)
        self.best[diff["u"]] = (max(self.sides["b"], default=None), min(self.sides["a"], default=None))


@pytest.mark.parametrize("name", sorted(PROOFS))
@pytest.mark.parametrize("combined", [True, False])
@pytest.mark.parametrize("late", [0, 40])
async def test_a_replayed_book_equals_the_recorded_best_prices(name: str, combined: bool, late: int) -> None:
    recording = Recording.load(RECORDINGS / f"{name}.ws.1.0")
    streams = sorted({frame.stream for frame in recording.frames if "@depth" in frame.stream or "book" in frame.stream})
    followers = {frame.stream.partition("@")[0].upper(): Follower() for frame in recording.frames}
    tickers: list[Any] = []
    diffs = 0
    server = EmulatorServer(replay=recording, replay_start=ReplayStart.MANUAL, auto_tick=False)
    async with server, aiohttp.ClientSession() as session:
        assert server.replay is not None
        path = "/stream" if combined else "/ws"
        async with session.ws_connect(server.urls.ws_url + path, max_msg_size=0) as ws:
            await ws.send_json({"method": "SUBSCRIBE", "params": streams, "id": 1})
            assert await ws.receive_json(timeout=5) == {"result": None, "id": 1}
            server.replay.send(late)
            for symbol, follower in followers.items():
                url = f"{server.urls.rest_url}/api/v3/depth?symbol={symbol}&limit=5000"
                async with session.get(url) as answer:
                    follower.snapshot(await answer.json())
            server.replay.send()
            expected = sum(frame.stream in streams for frame in recording.frames)
            for _ in range(expected):
                frame = await ws.receive_json(timeout=5)
                content = frame["data"] if combined else frame
                if content.get("e") == "depthUpdate":
                    diffs += 1
                    followers[content["s"]].apply(content)
                elif "B" in content:
                    tickers.append(content)
    points = [
        (ticker, followers[ticker["s"]].best[ticker["u"]])
        for ticker in tickers
        if ticker["u"] in followers[ticker["s"]].best
    ]
    assert all((Decimal(ticker["b"]), Decimal(ticker["a"])) == best for ticker, best in points)
    assert diffs == PROOFS[name][0]
    if not late:
        assert len(points) == PROOFS[name][1]


async def test_as_fast_as_possible_starts_with_the_first_subscriber_and_keeps_the_socket_open() -> None:
    recording = Recording.load(RECORDINGS / "binance_tr")
    server = EmulatorServer(replay=recording, replay_speed=None)
    async with server, aiohttp.ClientSession() as session:
        assert server.replay is not None
        async with session.ws_connect(f"{server.urls.ws_url}/stream?streams=xemusdt@bookTicker") as ws:
            await asyncio.wait_for(server.replay.finished.wait(), 5)
            told = [await ws.receive_json(timeout=5) for _ in range(20)]
            assert {frame["stream"] for frame in told} == {"xemusdt@bookTicker"}
            await ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
            assert (await ws.receive_json(timeout=5))["result"] == ["xemusdt@bookTicker"]


async def test_the_recorded_pace_can_be_quickened() -> None:
    recording = Recording.load(RECORDINGS / "binance_tr.http.0.0")
    server = EmulatorServer(replay=recording, replay_speed=1_000.0)
    async with server, aiohttp.ClientSession() as session:
        assert server.replay is not None
        async with session.ws_connect(f"{server.urls.ws_url}/ws/xemusdt@depth") as ws:
            assert (await ws.receive_json(timeout=5))["e"] == "depthUpdate"
            await asyncio.wait_for(server.replay.finished.wait(), 5)


def respond(path: str, query: str = "") -> tuple[int, Any]:
    replay = Replay(Recording.load(RECORDINGS / "binance_tr.0"), lambda _: None)
    answer = replay.respond(HttpRequest("GET", path, query), 1)
    assert answer is not None
    return answer.status, json.loads(answer.body)


async def test_rest_answers_from_the_recording() -> None:
    _, rules = respond("/api/v3/exchangeInfo")
    assert {symbol["symbol"] for symbol in rules["symbols"]} == {"BELBTC", "XEMUSDT", "ELFBUSD", "LTCBRL"}
    _, rules = respond("/api/v3/exchangeInfo", "symbol=BELBTC")
    assert [symbol["symbol"] for symbol in rules["symbols"]] == ["BELBTC"]
    _, ticker = respond("/api/v3/ticker/bookTicker", "symbol=XEMUSDT")
    assert (ticker["bidPrice"], ticker["askPrice"]) == ("0.04100000", "0.04110000")
    assert len(respond("/api/v3/ticker/price")[1]) == 4
    assert respond("/api/v3/depth", "symbol=NOSUCH") == (400, {"code": -1121, "msg": "Invalid symbol."})
    assert respond("/api/v3/depth")[0] == 400


async def test_the_command_serves_a_recording(capsys: pytest.CaptureFixture[str]) -> None:
    stop = asyncio.Event()
    serving = asyncio.create_task(emulate(0, as_json=True, replay=RECORDINGS / "binance_us.0", stop=stop))
    shown = ""
    while not shown:
        await asyncio.sleep(0.001)
        shown = capsys.readouterr().out
    url = json.loads(shown)["rest_url"] + "/api/v3/depth?symbol=CRVUSDT"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert (await answer.json())["lastUpdateId"] == 1938834
    stop.set()
    assert await serving == 0


def test_what_is_no_recording_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "EMPTY.0").write_text("nothing\n")
    with pytest.raises(BadRecording, match=r"EMPTY\.0 is no recording"):
        Recording.load(tmp_path / "EMPTY.0")
