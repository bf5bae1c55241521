"""The private stream of an account: its orders, fills and balances as they happen.

hears: TradingRules, ClockOffset
says: OrderUpdate, FillUpdate to orders; BalanceUpdate, BalanceDelta to balances; UserStreamInterrupted and
UserStreamResumed to both; asks the signer SignStreamLogin, the clock ClockSkewSuspected
at a restart it connects anew; what happened meanwhile is asked for after its UserStreamResumed.

Two connections may be live at the same time, while one takes over from the other: then both may bring the same event,
and those who hear it count it once.
"""

from functools import partial
from typing import Any

from openoutcry.actors.roles import BALANCES, CLOCK, ORDERS, SIGNER
from openoutcry.actors.runtime import Backoff, ComponentActor, Timer, handles
from openoutcry.actors.user_stream.connection import Connection, ConnectionClosed, ConnectionOpened, FrameReceived
from openoutcry.exchanges.dialect import MalformedPayload, StreamAnswer, StreamNotice
from openoutcry.messages.account import BalanceDelta, BalanceUpdate
from openoutcry.messages.lifecycle import Readiness, UserStreamInterrupted, UserStreamResumed
from openoutcry.messages.orders import FillUpdate, OrderUpdate
from openoutcry.messages.rest import (
    ClockOffset,
    ClockSkewSuspected,
    ErrorKind,
    ExchangeError,
    SignedFrame,
    SigningFailed,
    SignStreamLogin,
)
from openoutcry.messages.trading_rules import TradingRules

LOGIN_TIMEOUT_S = 10.0
CLOCK_REPAIRS = 2
KEY_REFUSED_AGAIN_S = 30.0
BAN_S = 120.0
"""The shortest ban that is documented, for an exchange that does not say how long."""
RENEWAL_SHARE = 0.95
"""Share of a connection's lifetime after which it is renewed; a little less each time: not all renew at once."""
OVERLAP_S = 2.0
"""How long a renewed connection goes on beside its successor: events that are under way on it still arrive."""
MALFORMED_PAUSE_S = 5.0
"""Frames that cannot be read make the others ask the exchange; no more often than this."""


class UserStream(ComponentActor):
    """Keeps a private stream live, and says when there is a hole in it."""

    def __init__(self) -> None:
        super().__init__()
        self._pairs: dict[str, str] | None = None
        self._offset_ms = 0.0
        self._connections: dict[int, Connection] = {}
        self._present: Connection | None = None
        self._next: Connection | None = None
        self._last_number = 0
        self._hole: str | None = "not connected yet"
        """Why events may be missing; None while nothing is missed."""
        self._reopening: Timer | None = None
        self._renewal: Timer | None = None
        self._malformed_pause: Timer | None = None
        self._malformed_meanwhile = False
        self._events = 0
        self._malformed = 0
        self._reconnects = 0

    def on_start(self) -> None:
        """Wait for the trading rules: without them no event could be told to a pair."""
        environment = self.environment
        self._random = environment.random_for(self.role, self.generation)
        self._backoff = Backoff(0.1, 30.0, self._random)
        self._timings = environment.dialect.user_stream_timings
        self.every(self._timings.longest_silence_s / 8, self._watch_for_silence)

    def on_stop(self) -> None:
        """Close what is open."""
        for connection in self._connections.values():
            connection.close()

    def on_peer_up(self, role: str) -> None:
        """A newcomer is told how the stream is; a new signer may know better."""
        if role in (ORDERS, BALANCES):
            if self._hole is None:
                self.tell(role, UserStreamResumed(since_ms=self._exchange_ms()))
            elif self._pairs is not None:
                self.tell(role, UserStreamInterrupted(reason=self._hole))
        elif role == SIGNER and self._reopening is not None:
            self._open_in(0.0)

    def figures(self) -> tuple[tuple[str, str], ...]:
        """Events, frames that could not be read, and connections lost."""
        return (
            ("events", str(self._events)),
            ("malformed", str(self._malformed)),
            ("reconnects", str(self._reconnects)),
        )

    @handles(TradingRules)
    def _trading_rules(self, message: TradingRules, _sender: Any) -> None:
        is_first = self._pairs is None
        self._pairs = {rule.symbol: rule.trading_pair for rule in message.rules}
        if is_first:
            self._open()

    @handles(ClockOffset)
    def _clock_offset(self, message: ClockOffset, _sender: Any) -> None:
        self._offset_ms = message.offset_ms

    # Connecting

    def _open(self) -> None:
        self._reopening = None
        if self._next is not None or self._pairs is None:
            return
        environment = self.environment
        self._last_number += 1
        url = environment.dialect.user_stream_url(environment.endpoints)
        self._next = Connection(self, self._last_number, url, self._lost)
        self._connections[self._last_number] = self._next

    def _open_in(self, delay_s: float) -> None:
        if self._reopening is not None:
            self._reopening.cancel()
        self._reopening = self.after(delay_s, self._open)

    @handles(ConnectionOpened)
    def _opened(self, message: ConnectionOpened, _sender: Any) -> None:
        connection = self._connections.get(message.number)
        if connection is not None:
            connection.websocket = message.websocket
            connection.login_timer = self.after(
                LOGIN_TIMEOUT_S, lambda: self._lost(connection, f"no answer to the login within {LOGIN_TIMEOUT_S:g} s")
            )
            self._log_in(connection)

    @handles(ConnectionClosed)
    def _closed(self, message: ConnectionClosed, _sender: Any) -> None:
        connection = self._connections.get(message.number)
        if connection is not None:
            self._lost(connection, message.reason)

    def _log_in(self, connection: Connection) -> None:
        question = SignStreamLogin(request_id=connection.next_login_id(), timestamp_ms=self._exchange_ms())
        self.ask(SIGNER, question, partial(self._login_signed, connection), timeout_s=LOGIN_TIMEOUT_S, resend=True)

    def _login_signed(self, connection: Connection, answer: Any) -> None:
        if connection.is_closed or connection.websocket is None:
            return
        if type(answer) is SignedFrame:
            connection.websocket.send(answer.text)
        elif type(answer) is SigningFailed:
            self._refused(connection, answer.reason)
        else:
            self._lost(connection, f"the login could not be signed: {answer}")

    def _login_answered(self, connection: Connection, error: ExchangeError | None) -> None:
        if error is None:
            self._became_live(connection)
        elif error.kind is ErrorKind.CLOCK_SKEW and connection.logins <= CLOCK_REPAIRS:
            self.ask(CLOCK, ClockSkewSuspected(), partial(self._clock_repaired, connection), timeout_s=LOGIN_TIMEOUT_S)
        elif error.kind in (ErrorKind.BAD_KEY, ErrorKind.BAD_SIGNATURE):
            self._refused(connection, str(error))
        elif error.kind is ErrorKind.BANNED:
            self._lost(connection, str(error), error.retry_after_s or BAN_S)
        else:
            self._lost(connection, str(error), error.retry_after_s or 0.0)

    def _clock_repaired(self, connection: Connection, answer: Any) -> None:
        if connection.is_closed:
            return
        if type(answer) is ClockOffset:
            self._offset_ms = answer.offset_ms
            self._log_in(connection)
        else:
            self._lost(connection, f"the exchange's clock is not known: {answer}")

    def _refused(self, connection: Connection, reason: str) -> None:
        """The account itself is refused: trying at once would change nothing."""
        self._lost(connection, reason, KEY_REFUSED_AGAIN_S)
        if self._present is None:
            hint = "check api_key, api_secret and the key's permissions and IP list at the exchange"
            self.set_readiness(Readiness.FAILED, reason, f"{hint}; tries again in {KEY_REFUSED_AGAIN_S:g} s")

    # Live

    def _became_live(self, connection: Connection) -> None:
        connection.is_live = True
        if connection.login_timer is not None:
            connection.login_timer.cancel()
        self._backoff.reset()
        predecessor, self._present, self._next = self._present, connection, None
        if predecessor is not None:
            self.after(OVERLAP_S, lambda: self._drop(predecessor))
        if self._renewal is not None:
            self._renewal.cancel()
        share = RENEWAL_SHARE - 0.05 * self._random.random()
        self._renewal = self.after(self._timings.lifetime_s * share, self._renew)
        self.set_readiness(Readiness.READY)
        if self._hole is not None:
            self._resume()

    def _renew(self) -> None:
        """Open a successor, unless one is on its way."""
        if self._next is None and self._reopening is None:
            self._open()

    def _lost(self, connection: Connection, reason: str, at_least_s: float = 0.0) -> None:
        if connection.is_closed:
            return
        self._drop(connection)
        was_present, was_next = connection is self._present, connection is self._next
        if not (was_present or was_next):
            return
        self._reconnects += 1
        self.log.warning("The user stream is lost: %s", reason)
        if was_next:
            self._next = None
        else:
            self._present = None
            self._interrupt(reason)
        delay_s = 0.0
        if self._next is None and (was_next or self._reopening is None):
            delay_s = max(at_least_s, self._backoff.next_delay_s())
            self._open_in(delay_s)
        if self._present is None:
            self.set_readiness(Readiness.DEGRADED, f"user stream: {reason}", f"connects again in {delay_s:.1f} s")

    def _drop(self, connection: Connection) -> None:
        self._connections.pop(connection.number, None)
        connection.close()

    def _watch_for_silence(self) -> None:
        now_ns = self.clock.monotonic_ns()
        for connection in list(self._connections.values()):
            if connection.is_silent(now_ns, self._timings):
                self._lost(connection, f"silent for more than {self._timings.longest_silence_s:g} s")

    # Frames

    @handles(FrameReceived)
    def _frame(self, message: FrameReceived, _sender: Any) -> None:
        connection = self._connections.get(message.number)
        if connection is None or self._pairs is None:
            return
        try:
            events = self.environment.dialect.decode_user_frame(message.frame, self._pairs)
        except MalformedPayload as error:
            self._is_malformed(error)
            return
        for event in events:
            kind = type(event)
            if kind is OrderUpdate or kind is FillUpdate:
                self._events += 1
                self.tell(ORDERS, event)
            elif kind is BalanceUpdate or kind is BalanceDelta:
                self._events += 1
                self.tell(BALANCES, event)
            elif isinstance(event, StreamAnswer):
                if event.request_id == connection.login_id and not connection.is_live:
                    self._login_answered(connection, event.error)
            elif isinstance(event, StreamNotice):
                self._noticed(connection, event)

    def _noticed(self, connection: Connection, notice: StreamNotice) -> None:
        if not notice.is_ending or connection.is_ending:
            return
        connection.is_ending = True
        if connection is self._next:
            self._lost(connection, notice.text)
        elif connection is self._present:
            # Whether it still brings events until its end nobody promises: so from here on they are asked for.
            self._interrupt(notice.text)
            self.set_readiness(Readiness.DEGRADED, f"user stream: {notice.text}", "a new one is being opened")
            self._renew()

    def _is_malformed(self, error: MalformedPayload) -> None:
        self._malformed += 1
        if self._malformed == 1:
            self.log.warning("A frame of the user stream could not be read; it is counted, as are the next: %s", error)
        if self._malformed_pause is not None:
            self._malformed_meanwhile = True
        else:
            self._ask_for_what_it_said()

    def _ask_for_what_it_said(self) -> None:
        """It may have been about an order: what it said is asked for. The stream itself is well."""
        self._malformed_pause = self.after(MALFORMED_PAUSE_S, self._malformed_pause_over)
        self._malformed_meanwhile = False
        if self._hole is None:
            self._interrupt("a frame could not be read")
            self._resume()

    def _malformed_pause_over(self) -> None:
        self._malformed_pause = None
        if self._malformed_meanwhile:
            self._ask_for_what_it_said()

    # Holes

    def _interrupt(self, reason: str) -> None:
        if self._hole is None:
            self._tell_both(UserStreamInterrupted(reason=reason))
        self._hole = reason

    def _resume(self) -> None:
        self._hole = None
        self._tell_both(UserStreamResumed(since_ms=self._exchange_ms()))

    def _tell_both(self, message: UserStreamInterrupted | UserStreamResumed) -> None:
        for role in (ORDERS, BALANCES):
            if self.has_peer(role):
                self.tell(role, message)

    def _exchange_ms(self) -> int:
        return round(self.clock.wall_ms() + self._offset_ms)
