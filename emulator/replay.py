"""Replays a recording to whoever subscribes, and answers /depth with the book as it stands after what was sent.

So a client that follows the documented sync rule gets a right book however late it asks. As in a recording the first
diffs may be older than the snapshot: they are sent, and the book ignores them, as the rule says.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Final

import orjson

from openoutcry.emulator.binance.errors import WireError, invalid_symbol
from openoutcry.emulator.binance.parameters import Parameters
from openoutcry.emulator.binance.publisher import Payload
from openoutcry.emulator.binance.render import JsonObject
from openoutcry.emulator.binance.rest import HttpRequest, HttpResponse
from openoutcry.emulator.recording import RawLevels, RecordedFrame, Recording, Snapshot

_FRAMES_AT_ONCE: Final = 32
"""As fast as possible: so many frames before others get their turn."""
_DEFAULT_LEVELS: Final = 100


class ReplayStart(StrEnum):
    """When a replay begins."""

    ON_SUBSCRIBE = "on_subscribe"
    """When the first client has subscribed a recorded stream."""
    MANUAL = "manual"
    """In calls of `send`."""


class ReplayedBook:
    """A book of text, as the frames bring it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.last_update_id = snapshot.last_update_id
        self._bids = dict(snapshot.bids)
        self._asks = dict(snapshot.asks)

    def apply(self, diff: JsonObject) -> None:
        """Apply a depthUpdate; one that is older than the book changes nothing."""
        last = diff.get("u")
        if not isinstance(last, int) or last <= self.last_update_id:
            return
        self.last_update_id = last
        for side, changes in ((self._bids, diff.get("b")), (self._asks, diff.get("a"))):
            if isinstance(changes, list):
                for price, quantity in changes:
                    if Decimal(quantity):
                        side[price] = quantity
                    else:
                        side.pop(price, None)

    def view(self, limit: int) -> JsonObject:
        """The body of GET /depth."""
        bids, asks = self.levels(limit)
        return {"lastUpdateId": self.last_update_id, "bids": bids, "asks": asks}

    def levels(self, limit: int) -> tuple[RawLevels, RawLevels]:
        """The best bids and asks."""
        return (
            _sorted_levels(self._bids, limit, best_is_highest=True),
            _sorted_levels(self._asks, limit, best_is_highest=False),
        )


def _sorted_levels(side: dict[str, str], limit: int, *, best_is_highest: bool) -> RawLevels:
    levels = sorted(side.items(), key=lambda level: Decimal(level[0]), reverse=best_is_highest)
    return [[price, quantity] for price, quantity in levels[:limit]]


def _snapshots(recording: Recording) -> dict[str, Snapshot]:
    """The recorded snapshots, and an empty one for each symbol with frames that has none."""
    snapshots = dict(recording.snapshots)
    for frame in recording.frames:
        symbol = frame.stream.partition("@")[0].upper()
        first = frame.content.get("U")
        if symbol and symbol not in recording.snapshots and (symbol not in snapshots or isinstance(first, int)):
            known = snapshots.get(symbol)
            if known is None or known.last_update_id == 0:
                snapshots[symbol] = Snapshot(first - 1 if isinstance(first, int) else 0, [], [])
    return snapshots


class Replay:
    """One replay of one recording."""

    def __init__(
        self,
        recording: Recording,
        publish: Callable[[Iterable[Payload]], None],
        *,
        speed: float | None = 1.0,
        start: ReplayStart = ReplayStart.ON_SUBSCRIBE,
    ) -> None:
        self.recording = recording
        self.sent = 0
        """Frames that are past."""
        self.finished = asyncio.Event()
        self.snapshots_served: Counter[str] = Counter()
        """Depth snapshots handed out, by symbol."""
        self.books = {symbol: ReplayedBook(snapshot) for symbol, snapshot in _snapshots(recording).items()}
        self._publish = publish
        self._speed = speed
        self._start = start
        self._streams = {frame.stream for frame in recording.frames}
        self._task: asyncio.Task[None] | None = None

    def listen(self, name: str) -> None:
        """A client subscribed a stream; the first one starts the replay."""
        if self._start is ReplayStart.ON_SUBSCRIBE and self._task is None and self._is_recorded(name):
            self._task = asyncio.get_running_loop().create_task(self._run())

    def forget(self, name: str) -> None:
        """A client left a stream. The replay goes on."""

    async def stop(self) -> None:
        """End the replay."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def send(self, count: int | None = None) -> int:
        """Send the next frames now (None: all that are left), and return how many there were."""
        frames = self.recording.frames[self.sent : None if count is None else self.sent + count]
        for frame in frames:
            self._send(frame)
        return len(frames)

    async def _run(self) -> None:
        frames = self.recording.frames
        loop = asyncio.get_running_loop()
        begun, first = loop.time(), frames[0].time_s
        while self.sent < len(frames):
            if self._speed:
                due = begun + (frames[self.sent].time_s - first) / self._speed
                await asyncio.sleep(max(0.0, due - loop.time()))
                self.send(1)
            else:
                self.send(_FRAMES_AT_ONCE)
                await asyncio.sleep(0)

    def _send(self, frame: RecordedFrame) -> None:
        self.sent += 1
        if frame.content.get("e") == "depthUpdate":
            book = self.books.get(str(frame.content.get("s")))
            if book is not None:
                book.apply(frame.content)
        payloads = [(frame.stream, frame.payload)]
        if frame.stream.endswith("@depth@100ms"):
            payloads.append((frame.stream.removesuffix("@100ms"), frame.payload))  # for who asked for the default pace
        self._publish(payloads)
        if self.sent == len(self.recording.frames):
            self.finished.set()

    def _is_recorded(self, name: str) -> bool:
        return name in self._streams or f"{name}@100ms" in self._streams

    # REST

    def respond(self, request: HttpRequest, now_ms: int) -> HttpResponse | None:
        """Answer what the recording can answer; None for everything else."""
        handler = {
            "/api/v3/depth": self._depth,
            "/api/v3/exchangeInfo": self._exchange_info,
            "/api/v3/ticker/price": self._price,
            "/api/v3/ticker/bookTicker": self._book_ticker,
        }.get(request.path)
        if handler is None or request.method != "GET":
            return None
        try:
            parameters = Parameters.of_request(request.query, "")
            content = handler(parameters, now_ms)
        except WireError as error:
            return HttpResponse(error.status, orjson.dumps(error.body()))
        return None if content is None else HttpResponse(200, orjson.dumps(content))

    def _depth(self, parameters: Parameters, _now_ms: int) -> object:
        book = self.books.get(parameters.symbol())
        if book is None:
            raise invalid_symbol()
        self.snapshots_served[parameters.symbol()] += 1
        return book.view(parameters.limit(_DEFAULT_LEVELS, 5_000))

    def _exchange_info(self, parameters: Parameters, now_ms: int) -> object:
        recorded = self.recording.exchange_info
        if recorded is None:
            return None
        one = parameters.optional_symbol()
        names = [one] if one is not None else parameters.symbols()
        shown = recorded | {"serverTime": now_ms}
        if names is not None and isinstance(listed := recorded.get("symbols"), list):
            chosen = [symbol for symbol in listed if symbol.get("symbol") in names]
            if len(chosen) != len(set(names)):
                raise invalid_symbol()
            shown["symbols"] = chosen
        return shown

    def _price(self, parameters: Parameters, _now_ms: int) -> object:
        return self._for_symbols(parameters, self._price_of)

    def _price_of(self, symbol: str) -> JsonObject:
        best = self._book_ticker_of(symbol)
        return {"symbol": symbol, "price": best["bidPrice"]}

    def _book_ticker(self, parameters: Parameters, _now_ms: int) -> object:
        return self._for_symbols(parameters, self._book_ticker_of)

    def _book_ticker_of(self, symbol: str) -> JsonObject:
        bids, asks = self.books[symbol].levels(1)
        nothing = ["0.00000000", "0.00000000"]
        bid, ask = (bids or [nothing])[0], (asks or [nothing])[0]
        return {"symbol": symbol, "bidPrice": bid[0], "bidQty": bid[1], "askPrice": ask[0], "askQty": ask[1]}

    def _for_symbols(self, parameters: Parameters, view: Callable[[str], JsonObject]) -> object:
        one = parameters.optional_symbol()
        names = [one] if one is not None else parameters.symbols() or list(self.books)
        if any(name not in self.books for name in names):
            raise invalid_symbol()
        return view(names[0]) if one is not None else [view(name) for name in names]
