"""The only HTTP client of a connector.

hears: ExecuteRest (asked); ClockOffset, RateLimitsKnown
says: RestAnswer, RestRefused, RestNotSent, RestOutcomeUnknown to who asked; asks the signer SignRest, the clock
ClockSkewSuspected
at a restart it forgets what was used of the rate limits and takes half of each for used until the exchange's headers
tell (`rate_limiter`). It also forgets that the exchange has banned us, and learns that by its next request.

The way of a request: rate limit → stamp → signature → wire → meaning. When nothing holds it up, each step is O(1) and
the only timer is that of the question to the signer.
"""

from functools import partial
from typing import Any

import msgspec

from openoutcry.actors.exchange.rate_limiter import RateLimiter
from openoutcry.actors.exchange.rest_decision import Next, after_error
from openoutcry.actors.exchange.waiting_line import WaitingLine
from openoutcry.actors.ports.transport import HttpResponse, NotSent, OutcomeUnknown
from openoutcry.actors.roles import CLOCK, SIGNER
from openoutcry.actors.runtime import Backoff, ComponentActor, Timer, handles
from openoutcry.messages.lifecycle import Readiness
from openoutcry.messages.rest import (
    ClockOffset,
    ClockSkewSuspected,
    ErrorKind,
    ExchangeError,
    ExecuteRest,
    RateLimitsKnown,
    RestAnswer,
    RestNotSent,
    RestOutcomeUnknown,
    RestRefused,
    RestRequest,
    Security,
    SignedRequest,
    SigningFailed,
    SignRest,
)

SIGNING_TIMEOUT_S = 5.0
CLOCK_REPAIR_TIMEOUT_S = 5.0
PROBE_TIMEOUT_S = 5.0
BAN_S = 120.0
"""The shortest ban that is documented (Binance: 2 minutes to 3 days); for an exchange that does not say how long."""
BLOCK_S = 1.0
"""A pause after "too many requests" without a word on how long."""
UNANSWERED_IN_A_ROW = 3
"""So many requests without a usable answer make the exchange unreachable; one may be bad luck."""


class _Call:
    """One request on its way."""

    __slots__ = ("asker", "attempts", "clock_repairs", "deadline_s", "request", "sent_ms", "sent_s", "unknown_ms")

    def __init__(self, request: RestRequest, asker: Any, deadline_s: float) -> None:
        self.request = request
        self.asker = asker
        self.deadline_s = deadline_s
        self.attempts = 0
        self.clock_repairs = 0
        self.sent_s = 0.0
        self.sent_ms = 0
        self.unknown_ms: int | None = None
        """When an attempt left whose outcome is not known: from then on nobody may say that it was never sent."""


class RestGateway(ComponentActor):
    """Executes requests within the exchange's rate limits and says in one of four ways how each ended."""

    def __init__(self) -> None:
        super().__init__()
        self._offset_ms = 0.0
        self._unusable_in_a_row = 0
        self._look_timer: Timer | None = None
        self._look_due_s = 0.0
        self._is_looking_soon = False
        self._probe_timer: Timer | None = None
        self._requests = 0
        self._repeated = 0

    def on_start(self) -> None:
        """Take the dialect's limits until the exchange names its own."""
        environment = self.environment
        generator = environment.random_for(self.role, self.generation)
        self._dialect = environment.dialect
        self._transport = environment.transport
        self._url = environment.endpoints.rest_url
        self._retry_backoff = Backoff(0.1, 2.0, generator)
        self._probe_backoff = Backoff(0.25, 15.0, generator)
        self._limiter = RateLimiter(self._dialect.default_rate_limits, float(environment.settings.reserve_for_cancels))
        self._limiter.align(self.clock.wall_ms() / 1e3, self._now_s())
        self._line: WaitingLine[_Call] = WaitingLine(self._limiter)

    def figures(self) -> tuple[tuple[str, str], ...]:
        """Requests, repetitions, who waits, and what is used of each limit."""
        used = tuple((f"used of {name}", f"{usage}/{limit}") for name, usage, limit in self._limiter.usage())
        return (
            ("requests", str(self._requests)),
            ("repeated", str(self._repeated)),
            ("waiting", str(len(self._line))),
            *used,
        )

    @handles(ExecuteRest)
    def _execute(self, message: ExecuteRest, sender: Any) -> None:
        now_s = self.clock.monotonic_ns() / 1e9
        self._admit(_Call(message.request, sender, now_s + message.timeout_s), now_s)

    @handles(ClockOffset)
    def _clock_offset(self, message: ClockOffset, _sender: Any) -> None:
        self._offset_ms = message.offset_ms
        exchange_time_s = (self.clock.wall_ms() + message.offset_ms) / 1e3
        self._limiter.align(exchange_time_s, self._now_s(), 0.02 + message.uncertainty_ms / 1e3)

    @handles(RateLimitsKnown)
    def _rate_limits_known(self, message: RateLimitsKnown, _sender: Any) -> None:
        self._limiter.set_limits(message.limits, self._now_s())

    # On the way out

    def _admit(self, call: _Call, now_s: float) -> None:
        request = call.request
        admitted = self._line.enter(call, request.costs, request.purpose, now_s, call.deadline_s)
        if admitted:
            self._stamp(call, now_s)
        elif admitted is None:
            self._too_late(call, self._line.held_up_by)
        else:
            self._set_look_timer()

    def _stamp(self, call: _Call, now_s: float) -> None:
        request = call.request
        call.sent_s = now_s
        call.sent_ms = round(self.clock.wall_ms() + self._offset_ms)
        if request.security is Security.PUBLIC:
            self._send_out(call, self._dialect.sign(request, None, call.sent_ms), now_s)
        else:
            question = SignRest(request=request, timestamp_ms=call.sent_ms)
            self.ask(SIGNER, question, partial(self._signed, call), timeout_s=SIGNING_TIMEOUT_S)

    def _signed(self, call: _Call, answer: Any) -> None:
        if type(answer) is not SignedRequest:
            self._limiter.never_sent(call.request.costs)
            reason = answer.reason if type(answer) is SigningFailed else str(answer)
            self._had_no_effect(call, f"cannot sign: {reason}")
            return
        now_s = self.clock.monotonic_ns() / 1e9
        if now_s < self._limiter.blocked_until_s:
            # The order to be silent came while it was signed.
            self._limiter.never_sent(call.request.costs)
            self._admit(call, now_s)
            return
        self._send_out(call, answer, now_s)

    def _send_out(self, call: _Call, signed: SignedRequest, now_s: float) -> None:
        self._requests += 1
        call.attempts += 1
        self.run(
            self._transport.request(self._url, signed, max(0.001, call.deadline_s - now_s)),
            partial(self._responded, call),
            partial(self._unanswered, call),
        )

    # On the way back

    def _responded(self, call: _Call, response: HttpResponse) -> None:
        received_ns = self.clock.monotonic_ns()
        now_s = received_ns / 1e9
        dialect = self._dialect
        usage = dialect.rate_usage(response.headers)
        self._limiter.answered(call.request.costs, usage.used, call.sent_s, now_s)
        if self._line:
            self._look_soon()
        error = dialect.classify(response.status, response.headers, response.body)
        if error is None:
            self.reply(call.asker, RestAnswer(body=response.body, sent_ms=call.sent_ms, received_ns=received_ns))
            self._usable_answer(now_s)
        else:
            self._exchange_error(call, error, error.retry_after_s or usage.retry_after_s, now_s)

    def _exchange_error(self, call: _Call, error: ExchangeError, retry_after_s: float | None, now_s: float) -> None:
        kind = error.kind
        if kind in (ErrorKind.RATE_LIMITED, ErrorKind.BANNED):
            retry_after_s = self._blocked(call, error, retry_after_s, now_s)
        elif kind in (ErrorKind.OUTCOME_UNKNOWN, ErrorKind.MAINTENANCE):
            self._unusable(f"{self._url} answers {error}", at_once=kind is ErrorKind.MAINTENANCE)
        else:
            self._usable_answer(now_s)
        step = after_error(kind, is_idempotent=call.request.is_idempotent, clock_repairs=call.clock_repairs)
        if kind is ErrorKind.OUTCOME_UNKNOWN:
            call.unknown_ms = call.sent_ms
        if step is Next.REPAIR_CLOCK:
            call.clock_repairs += 1
            self._repeated += 1
            timeout_s = min(CLOCK_REPAIR_TIMEOUT_S, max(0.001, call.deadline_s - now_s))
            self.ask(CLOCK, ClockSkewSuspected(), partial(self._clock_repaired, call, error), timeout_s=timeout_s)
        elif step is Next.WAIT:
            self._repeated += 1
            self._admit(call, now_s)
        elif step is Next.RETRY:
            self._retry(call, error, str(error), now_s)
        elif step is Next.NOT_SENT:
            self._had_no_effect(call, str(error), retry_after_s)
        elif step is Next.OUTCOME_UNKNOWN:
            self.reply(call.asker, RestOutcomeUnknown(reason=str(error), sent_ms=call.sent_ms))
        else:
            self.reply(call.asker, RestRefused(error=error, sent_ms=call.sent_ms))

    def _unanswered(self, call: _Call, failure: BaseException) -> None:
        now_s = self._now_s()
        if isinstance(failure, NotSent):
            self._limiter.never_sent(call.request.costs)
            reason = f"cannot reach {self._url} ({_cause(failure)})"
            self._unusable(reason, at_once=True)
        elif isinstance(failure, OutcomeUnknown):
            self._limiter.answered(call.request.costs, (), call.sent_s, now_s)
            call.unknown_ms = call.sent_ms
            reason = f"no answer from {self._url} ({_cause(failure)})"
            self._unusable(reason, at_once=False)
        else:
            raise failure
        if call.request.is_idempotent:
            self._retry(call, None, reason, now_s)
        else:
            self._had_no_effect(call, reason)

    def _clock_repaired(self, call: _Call, error: ExchangeError, answer: Any) -> None:
        if type(answer) is ClockOffset:
            self._clock_offset(answer, None)
            self._admit(call, self._now_s())
        else:
            self.reply(call.asker, RestRefused(error=error, sent_ms=call.sent_ms))

    def _retry(self, call: _Call, error: ExchangeError | None, reason: str, now_s: float) -> None:
        delay_s = self._retry_backoff.delay_s(call.attempts)
        if now_s + delay_s < call.deadline_s:
            self._repeated += 1
            self.after(delay_s, lambda: self._admit(call, self._now_s()))
        elif error is not None and call.unknown_ms is None:
            self.reply(call.asker, RestRefused(error=error, sent_ms=call.sent_ms))
        else:
            self._had_no_effect(call, reason)

    def _too_late(self, call: _Call, held_up_by: str) -> None:
        wait_s = self._limiter.wait_s(call.request.costs, call.request.purpose, self._now_s())
        self._had_no_effect(call, f"would have to wait too long for {held_up_by}", wait_s)

    def _had_no_effect(self, call: _Call, reason: str, retry_after_s: float | None = None) -> None:
        """The last attempt certainly had no effect. An earlier one may have had: then that is what counts."""
        if call.asker is None and self._probe_timer is None and self.readiness is not Readiness.READY:
            self._probe_in(self._probe_backoff.next_delay_s())
        if call.unknown_ms is not None:
            self.reply(call.asker, RestOutcomeUnknown(reason=reason, sent_ms=call.unknown_ms))
        else:
            self.reply(call.asker, RestNotSent(reason=reason, retry_after_s=retry_after_s))

    # Waiting

    def _look_soon(self) -> None:
        """An answer may have given back some of a budget."""
        if not self._is_looking_soon:
            self._is_looking_soon = True
            self.soon(self._look_again)

    def _look_again(self) -> None:
        """Let those go who may, tell those who would wait too long, and set the timer for the next look."""
        self._is_looking_soon = False
        released = self._line.look(self._now_s())
        for call in released.ready:
            self._stamp(call, self._now_s())
        for call, held_up_by in released.too_late:
            self._too_late(call, held_up_by)
        self._set_look_timer()

    def _set_look_timer(self) -> None:
        due_s = self._line.next_look_s
        if self._look_timer is not None:
            if self._look_timer.is_active and self._look_due_s == due_s:
                return
            self._look_timer.cancel()
            self._look_timer = None
        if len(self._line):
            self._look_due_s = due_s
            self._look_timer = self.after(max(0.001, due_s - self._now_s()), self._look_again)

    def _blocked(self, call: _Call, error: ExchangeError, retry_after_s: float | None, now_s: float) -> float:
        """The exchange wants silence. Returns for how long, in seconds."""
        is_ban = error.kind is ErrorKind.BANNED
        if retry_after_s is None:
            retry_after_s = BAN_S if is_ban else BLOCK_S
            if not is_ban:
                self._limiter.exhaust(call.request.costs)
        until_s = now_s + retry_after_s
        if until_s > self._limiter.blocked_until_s:
            what = "ban by the exchange" if is_ban else "rate limit by the exchange's word"
            self._limiter.block(until_s, f"{what}, {retry_after_s:g} s")
            self.log.log(40 if is_ban else 30, "%s: no request leaves for %g s", error, retry_after_s)
            self.set_readiness(Readiness.DEGRADED, str(error), f"goes on in {retry_after_s:g} s")
            self._probe_in(retry_after_s)
            self._look_again()
        return retry_after_s

    # Readiness

    def _usable_answer(self, now_s: float) -> None:
        self._unusable_in_a_row = 0
        if self.readiness is Readiness.READY or now_s < self._limiter.blocked_until_s:
            return
        if self._probe_timer is not None:
            self._probe_timer.cancel()
            self._probe_timer = None
        self._probe_backoff.reset()
        self.set_readiness(Readiness.READY)

    def _unusable(self, reason: str, *, at_once: bool) -> None:
        self._unusable_in_a_row += 1
        if not at_once and self._unusable_in_a_row < UNANSWERED_IN_A_ROW:
            return
        if self._now_s() >= self._limiter.blocked_until_s:
            self.set_readiness(Readiness.DEGRADED, reason, "asks again with growing pauses")
        if self._probe_timer is None:
            self._probe_in(self._probe_backoff.next_delay_s())

    def _probe_in(self, delay_s: float) -> None:
        if self._probe_timer is not None:
            self._probe_timer.cancel()
        self._probe_timer = self.after(delay_s, self._probe)

    def _probe(self) -> None:
        """Ask for something small, so that recovery shows also when nobody else asks."""
        self._probe_timer = None
        now_s = self._now_s()
        request = msgspec.structs.replace(self._dialect.build_server_time(), is_idempotent=False)
        self._admit(_Call(request, None, now_s + PROBE_TIMEOUT_S), now_s)

    def _now_s(self) -> float:
        return self.clock.monotonic_ns() / 1e9


def _cause(failure: BaseException) -> str:
    """The last part of a transport's text, without the request in front of it: a status speaks of the exchange."""
    cause = str(failure).rpartition(": ")[2]
    return cause[:1].lower() + cause[1:]
