"""One public WebSocket from its opening to its end, as the book source handles it."""

from collections import deque
from collections.abc import Callable
from functools import partial

from openoutcry.actors.book.frame_inbox import FrameInbox, StreamOpened
from openoutcry.actors.ports.transport import WebSocket
from openoutcry.actors.runtime import ComponentActor, HeldSocket, Timer

FRAME_SPACING_S = 0.25
"""Between two frames that we send: four a second. Binance cuts who sends more than five, pongs included."""
ANSWER_TIMEOUT_S = 10.0
"""How long a subscription may stay unanswered."""


class MarketStream(HeldSocket):
    """A stream on its way: opening, subscribing, live (`is_live`: every subscription is confirmed), closed."""

    def __init__(
        self, owner: ComponentActor, stream_id: int, url: str, on_failed: Callable[["MarketStream", str], None]
    ) -> None:
        self.stream_id = stream_id
        self._on_failed = on_failed
        self.inbox = FrameInbox(stream_id, partial(owner.send, owner.myAddress), owner.environment.clock)
        self._outgoing: deque[str] = deque()
        self._unanswered: set[str] = set()
        self._pace: Timer | None = None
        self._deadline: Timer | None = None
        super().__init__(
            owner,
            url,
            opened=lambda websocket: StreamOpened(stream_id, websocket),
            on_frame=self.inbox.on_frame,
            on_closed=self.inbox.on_closed,
            on_failed=self._failed,
        )

    @property
    def is_confirmed(self) -> bool:
        """Whether the exchange has confirmed everything that was subscribed: nothing that happens is missed."""
        return self.is_live and not self._unanswered

    def opened(self, websocket: WebSocket) -> None:
        """The socket is there; what was queued begins to leave."""
        self.websocket = websocket
        self._send_next()

    def request(self, frames: tuple[str, ...], first_request_id: int) -> None:
        """Queue frames whose request ids count up from `first_request_id`; each is to be answered."""
        self._outgoing.extend(frames)
        self._unanswered.update(str(first_request_id + offset) for offset in range(len(frames)))
        if self.websocket is not None and self._pace is None:
            self._send_next()

    def answered(self, request_id: str) -> bool:
        """Note an answer; True when it was the last that was missing: from then on the stream is live."""
        if request_id not in self._unanswered:
            return False
        self._unanswered.discard(request_id)
        if self._unanswered:
            return False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.is_live = True
        return True

    def close(self) -> None:
        """Close the socket, open or still opening. Idempotent."""
        self.inbox.stop()
        for timer in (self._pace, self._deadline):
            if timer is not None:
                timer.cancel()
        super().close()

    def _send_next(self) -> None:
        self._pace = None
        if self.websocket is None or not self._outgoing:
            return
        self.websocket.send(self._outgoing.popleft())
        self._pace = self._owner.after(FRAME_SPACING_S, self._send_next)
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._owner.after(
            ANSWER_TIMEOUT_S, lambda: self._failed(f"a subscription was not answered in {ANSWER_TIMEOUT_S:g} s")
        )

    def _failed(self, reason: str) -> None:
        if not self.is_closed:
            self._on_failed(self, reason)
