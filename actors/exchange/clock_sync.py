"""Keeps the offset of the exchange's clock.

hears: ClockSkewSuspected (asked)
says: ClockOffset to rest, user_stream and orders, when it changed and to each that comes up; asks rest ExecuteRest
at a restart it measures anew.

It measures in rounds of three questions one after the other, of which the quickest counts: at the start, once a minute,
and when somebody suspects that the clock is wrong. All who suspect during a round for suspicion share its result.
"""

from typing import Any

from openoutcry.actors.exchange.clock_offset import ClockOffsetEstimator
from openoutcry.actors.roles import ORDERS, REST, USER_STREAM
from openoutcry.actors.runtime import Backoff, ComponentActor, Timer, handles
from openoutcry.exchanges.dialect import MalformedPayload
from openoutcry.messages.lifecycle import Readiness
from openoutcry.messages.rest import ClockOffset, ClockSkewSuspected, ExecuteRest, RestAnswer, RestRefused

MEASUREMENTS_A_ROUND = 3
ROUND_INTERVAL_S = 60.0
MEASUREMENT_TIMEOUT_S = 5.0
WORTH_TELLING_MS = 0.5
LISTENERS = (REST, USER_STREAM, ORDERS)


class ClockSync(ComponentActor):
    """Measures how far the exchange's clock is ahead of ours and tells it."""

    def __init__(self) -> None:
        super().__init__()
        self._estimator = ClockOffsetEstimator()
        self._told: ClockOffset | None = None
        self._suspicious: list[Any] = []
        self._round = 0
        self._left = 0
        self._is_round_for_suspicion = False
        self._next_round: Timer | None = None
        self._measurements = 0
        self._failures_in_a_row = 0

    def on_start(self) -> None:
        """Begin to measure."""
        self._backoff = Backoff(0.25, 10.0, self.environment.random_for(self.role, self.generation))
        self._begin_round(for_suspicion=False)

    def on_peer_up(self, role: str) -> None:
        """Tell a newcomer what is known. A new gateway proves itself by a measurement: it may be the only request."""
        if role in LISTENERS and self._told is not None:
            self.tell(role, self._told)
        if role == REST and not self._left:
            self._begin_round(for_suspicion=False)

    def figures(self) -> tuple[tuple[str, str], ...]:
        """The offset and how sure it is."""
        if self._told is None:
            return (("measurements", str(self._measurements)),)
        return (
            ("measurements", str(self._measurements)),
            ("exchange ahead", f"{self._told.offset_ms:.1f} ms"),
            ("uncertainty", f"{self._told.uncertainty_ms:.1f} ms"),
        )

    @handles(ClockSkewSuspected)
    def _suspected(self, _message: ClockSkewSuspected, sender: Any) -> None:
        self._suspicious.append(sender)
        if not self._is_round_for_suspicion:
            self._estimator.forget()
            self._begin_round(for_suspicion=True)

    def _begin_round(self, *, for_suspicion: bool) -> None:
        if self._next_round is not None:
            self._next_round.cancel()
            self._next_round = None
        self._round += 1
        self._left = MEASUREMENTS_A_ROUND
        self._is_round_for_suspicion = for_suspicion
        self._measure()

    def _measure(self) -> None:
        this_round = self._round
        asked_ns = self.clock.monotonic_ns()
        question = ExecuteRest(request=self.environment.dialect.build_server_time(), timeout_s=MEASUREMENT_TIMEOUT_S)
        self.ask(
            REST,
            question,
            lambda answer: self._measured(this_round, asked_ns, answer),
            timeout_s=MEASUREMENT_TIMEOUT_S + 1,
            resend=True,
        )

    def _measured(self, of_round: int, asked_ns: int, answer: Any) -> None:
        if of_round != self._round:
            return
        if type(answer) is not RestAnswer:
            reason = str(answer.error) if type(answer) is RestRefused else getattr(answer, "reason", str(answer))
            self._failed_to_measure(reason)
            return
        now_ns = self.clock.monotonic_ns()
        received_wall_ms = self.clock.wall_ms() - (now_ns - answer.received_ns) / 1e6
        try:
            server_ms = self.environment.dialect.parse_server_time(answer.body)
        except MalformedPayload as error:
            self._failed_to_measure(str(error))
            return
        self._measurements += 1
        self._failures_in_a_row = 0
        self._backoff.reset()
        self._estimator.add(
            round_trip_ms=(answer.received_ns - asked_ns) / 1e6,
            received_wall_ms=received_wall_ms,
            server_ms=server_ms,
        )
        if self._told is None:
            self._publish()
        self._left -= 1
        if self._left:
            self._measure()
        else:
            self._end_round()

    def _end_round(self) -> None:
        self._is_round_for_suspicion = False
        self._publish()
        asked, self._suspicious = self._suspicious, []
        for sender in asked:
            self.reply(sender, self._told)
        self._next_round = self.after(ROUND_INTERVAL_S, lambda: self._begin_round(for_suspicion=False))

    def _publish(self) -> None:
        best = self._estimator.best
        if best is None:
            return
        self.set_readiness(Readiness.READY)
        told = self._told
        if told is None or abs(told.offset_ms - best.offset_ms) >= WORTH_TELLING_MS:
            self._told = best
            for role in LISTENERS:
                if self.has_peer(role):
                    self.tell(role, best)

    def _failed_to_measure(self, reason: str) -> None:
        self._failures_in_a_row += 1
        delay_s = self._backoff.next_delay_s()
        if self._told is None or self._failures_in_a_row >= MEASUREMENTS_A_ROUND:
            self.set_readiness(
                Readiness.DEGRADED,
                f"the exchange's clock cannot be read: {reason}",
                "measures again with growing pauses",
            )
        self._next_round = self.after(delay_s, lambda: self._begin_round(for_suspicion=self._is_round_for_suspicion))
