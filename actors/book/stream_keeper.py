"""Keeping a public stream alive: opening, renewing before its end, watching for silence, reconnecting.

One stream carries everything. Before the exchange ends it, or when the exchange says so, a second one is opened beside
it; once that is live the first goes on for a short while and is closed. When a stream is lost, its successor is opened
after a back-off, or takes its place if it is on its way already.
"""

import random
from collections.abc import Callable, Sequence

from openoutcry.actors.book.frame_inbox import StreamClosed, StreamOpened
from openoutcry.actors.book.market_stream import MarketStream
from openoutcry.actors.runtime import Backoff, ComponentActor, Timer
from openoutcry.messages.market import PairUnsynced
from openoutcry.messages.trading_rules import TradingRule

RENEWAL_SHARE = 0.95
"""Share of a stream's lifetime after which it is renewed; a little less each time, so that not all renew at once."""
OVERLAP_S = 2.0
"""How long a renewed stream goes on beside its successor: frames that are under way on it still arrive."""

FrameBuilder = Callable[[Sequence[TradingRule], int], tuple[str, ...]]


class StreamKeeper:
    """The streams of one book source.

    `on_confirmed` is called when all that was subscribed is confirmed, `on_lost` when no stream carries the books
    any more, with a reason for each book and words for a person.
    """

    def __init__(
        self,
        owner: ComponentActor,
        rules: Callable[[], Sequence[TradingRule]],
        on_confirmed: Callable[[], None],
        on_lost: Callable[[PairUnsynced, str], None],
    ) -> None:
        self.reconnects = 0
        self.renewals = 0
        self.trouble = ""
        """What ended the last stream; empty while one is live."""
        self._owner = owner
        self._rules = rules
        self._on_confirmed = on_confirmed
        self._on_lost = on_lost
        self._timings = owner.environment.dialect.timings
        self._random: random.Random = owner.environment.random_for(f"{owner.role}/streams", owner.generation)
        self._backoff = Backoff(0.1, 30.0, self._random)
        self._streams: dict[int, MarketStream] = {}
        self._present: MarketStream | None = None
        """The one that the books live on."""
        self._next: MarketStream | None = None
        self._retiring: MarketStream | None = None
        self._last_stream_id = 0
        self._last_request_id = 0
        self._reopening: Timer | None = None
        self._renewal: Timer | None = None
        owner.every(self._timings.longest_silence_s / 4, self._watch_for_silence)

    @property
    def is_confirmed(self) -> bool:
        """Whether a stream is live and everything that was subscribed on it is confirmed."""
        return self._present is not None and self._present.is_confirmed

    @property
    def is_overlapping(self) -> bool:
        """Whether more than one stream may bring the same."""
        return len(self._streams) > 1

    @property
    def is_reopening(self) -> bool:
        """Whether a new stream will be opened after a back-off."""
        return self._reopening is not None

    def find(self, stream_id: int) -> MarketStream | None:
        """The stream of that number, if it is not over."""
        return self._streams.get(stream_id)

    def request(self, build: FrameBuilder, rules: Sequence[TradingRule]) -> None:
        """Send the frames that `build` makes for these pairs on every stream; without any, open one for all pairs."""
        for stream in self._streams.values():
            self._send_frames(stream, build, rules)
        if not self._streams and self._reopening is None:
            self._open()

    def opened(self, message: StreamOpened) -> None:
        """A socket is open."""
        stream = self._streams.get(message.stream_id)
        if stream is not None:
            stream.opened(message.websocket)

    def closed(self, message: StreamClosed) -> None:
        """A socket came to its end."""
        stream = self._streams.get(message.stream_id)
        if stream is not None:
            self._failed(stream, message.reason)

    def refused(self, stream: MarketStream, text: str) -> None:
        """The exchange does not give what was subscribed."""
        self._failed(stream, f"the exchange refused a subscription: {text}")

    def confirmed(self, stream: MarketStream, request_id: str) -> None:
        """The exchange has answered a request."""
        was_live = stream.is_live
        if stream.answered(request_id):
            if not was_live:
                self._became_live(stream)
            self._on_confirmed()

    def renew(self) -> None:
        """Open a successor, unless one is on its way."""
        if self._present is not None and self._next is None and self._reopening is None:
            self._open()

    def close(self) -> None:
        """Close every socket."""
        for stream in list(self._streams.values()):
            self._drop(stream)

    def _open(self) -> None:
        self._reopening = None
        if self._present is None:
            self._present = self._new_stream()
        elif self._next is None:
            self._next = self._new_stream()

    def _new_stream(self) -> MarketStream:
        self._last_stream_id += 1
        environment = self._owner.environment
        url = environment.dialect.market_stream_url(environment.endpoints)
        stream = MarketStream(self._owner, self._last_stream_id, url, self._failed)
        self._streams[stream.stream_id] = stream
        self._send_frames(stream, environment.dialect.subscribe_frames, self._rules())
        return stream

    def _send_frames(self, stream: MarketStream, build: FrameBuilder, rules: Sequence[TradingRule]) -> None:
        frames = build(rules, self._last_request_id + 1)
        stream.request(frames, self._last_request_id + 1)
        self._last_request_id += len(frames)

    def _became_live(self, stream: MarketStream) -> None:
        self._backoff.reset()
        self.trouble = ""
        if stream is self._next:
            self.renewals += 1
            self._retiring, self._present, self._next = self._present, stream, None
            self._owner.after(OVERLAP_S, self._retire)
        if self._renewal is not None:
            self._renewal.cancel()
        share = RENEWAL_SHARE - 0.05 * self._random.random()
        self._renewal = self._owner.after(self._timings.lifetime_s * share, self.renew)

    def _retire(self) -> None:
        if self._retiring is not None:
            self._drop(self._retiring)
            self._retiring = None

    def _watch_for_silence(self) -> None:
        now_ns = self._owner.environment.clock.monotonic_ns()
        for stream in list(self._streams.values()):
            if stream.is_silent(now_ns, self._timings):
                text = f"silent for more than {self._timings.longest_silence_s:g} s"
                self._failed(stream, text, PairUnsynced.SILENT)

    def _failed(self, stream: MarketStream, text: str, reason: PairUnsynced = PairUnsynced.DISCONNECTED) -> None:
        self._drop(stream)
        if stream is self._retiring:
            self._retiring = None
            return
        self._owner.log.warning("The public stream is lost: %s", text)
        self.trouble = text
        is_present = stream is self._present
        if is_present:
            # A successor that was being opened takes the place; it is not live yet, else it would have it already.
            self._present = self._next
            # What the predecessor still brings would end in a moment, with nothing to continue it.
            self._retire()
        self._next = None
        if self._reopening is None and (self._present is None or self._present.is_live):
            self.reconnects += 1
            self._reopening = self._owner.after(self._backoff.next_delay_s(), self._open)
        if is_present:
            self._on_lost(reason, text)

    def _drop(self, stream: MarketStream) -> None:
        self._streams.pop(stream.stream_id, None)
        stream.close()
