"""What goes wrong in a simulation, and when: kinds with names, and a plan drawn from the seed."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from openoutcry.actors import roles
from openoutcry.emulator.faults import (
    Action,
    Connections,
    CrossBook,
    DelayAnswer,
    Duplicate,
    Fault,
    Inject,
    Malform,
    MarketFrames,
    RefuseConnection,
    RejectHandshake,
    ReplaceBody,
    Requests,
    ResetConnection,
    Skip,
    SwapWithNext,
    Target,
    TruncateBody,
    UserEvents,
    When,
    WsApiRequests,
    backend_timeout,
    banned,
    server_busy,
    too_many_requests,
    unexpected_response,
    unknown_error,
)
from openoutcry.emulator.venue import EmulatedVenue
from openoutcry.simulation.loop import LoopClock
from openoutcry.simulation.scheduler import SeededScheduler
from openoutcry.simulation.trace import Trace


class FaultKind(StrEnum):
    """Everything that can be made to go wrong, by its name on the command line."""

    ACTOR_KILLED = "actor-killed"
    PROCESS_KILLED = "process-killed"
    SOCKET_DROPPED = "socket-dropped"
    SOCKET_STALLED = "socket-stalled"
    SOCKET_REFUSED = "socket-refused"
    LOGIN_FAILED = "login-failed"
    FRAME_LOST = "frame-lost"
    FRAME_REPEATED = "frame-repeated"
    FRAME_REORDERED = "frame-reordered"
    FRAME_MALFORMED = "frame-malformed"
    FRAME_UNKNOWN = "frame-unknown"
    BOOK_CROSSED = "book-crossed"
    USER_EVENT_LOST = "user-event-lost"
    USER_EVENT_REPEATED = "user-event-repeated"
    USER_EVENT_REORDERED = "user-event-reordered"
    USER_STREAM_TERMINATED = "user-stream-terminated"
    SERVER_SHUTDOWN = "server-shutdown"
    HTTP_REFUSED = "http-refused"
    HTTP_RESET_BEFORE = "http-reset-before"
    HTTP_RESET_AFTER = "http-reset-after"
    HTTP_TIMEOUT_BEFORE = "http-timeout-before"
    HTTP_TIMEOUT_AFTER = "http-timeout-after"
    HTTP_SLOW = "http-slow"
    """The answer is slower than the event of what it did."""
    HTTP_429 = "http-429"
    HTTP_418 = "http-418"
    HTTP_5XX_BEFORE = "http-5xx-before"
    HTTP_5XX_AFTER = "http-5xx-after"
    HTTP_TRUNCATED = "http-truncated"
    HTTP_MALFORMED = "http-malformed"
    CLOCK_SKEW = "clock-skew"
    """The exchange's clock goes ahead or behind."""
    CLOCK_JUMP = "clock-jump"
    """Our own wall clock jumps."""


ALL_FAULTS = tuple(FaultKind)
_ROLES = (
    roles.SIGNER,
    roles.REST,
    roles.CLOCK,
    roles.RULES,
    roles.BOOK_SOURCE,
    roles.BOOK,
    roles.USER_STREAM,
    roles.ORDERS,
    roles.ORDERS,
    roles.ORDER_POLLER,
    roles.BALANCES,
)
_MEAN_INTERVAL_S = 6.0
_QUIET_AT_FIRST_S = 2.0
_REQUESTS = (
    Requests(),
    Requests("POST", "/api/v3/order"),
    Requests("POST", "/api/v3/order"),
    Requests("DELETE"),
    Requests("GET"),
    Requests("GET", "/api/v3/order"),
    Requests("GET", "/api/v3/depth"),
)


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One fault at one virtual time, in seconds since the start."""

    at_s: float
    kind: FaultKind


def plan_faults(kinds: Sequence[FaultKind], duration_s: float, generator: random.Random) -> tuple[PlannedFault, ...]:
    """Draw when which fault strikes, over the whole duration."""
    planned: list[PlannedFault] = []
    at_s = _QUIET_AT_FIRST_S * generator.random()
    while kinds and at_s < duration_s:
        planned.append(PlannedFault(at_s, generator.choice(kinds)))
        at_s += generator.expovariate(1 / _MEAN_INTERVAL_S)
    return tuple(planned)


class FaultInjector:
    """Makes planned faults happen; what each does exactly is drawn from the seed when it strikes."""

    def __init__(
        self,
        venue: EmulatedVenue,
        scheduler: SeededScheduler,
        clock: LoopClock,
        generator: random.Random,
        trace: Trace,
        *,
        facade: str,
        call_later: Callable[[float, Callable[[], None]], Any],
        kill_process: Callable[[], None],
    ) -> None:
        self.struck: Counter[FaultKind] = Counter()
        self._venue = venue
        self._scheduler = scheduler
        self._clock = clock
        self._random = generator
        self._trace = trace
        self._roles = (*_ROLES, facade)
        self._call_later = call_later
        self._kill_process = kill_process

    def strike(self, kind: FaultKind) -> None:
        """Let one fault happen, or lie in wait for what it strikes."""
        self.struck[kind] += 1
        self._trace.note("fault", kind.value)
        draw = self._random
        match kind:
            case FaultKind.ACTOR_KILLED:
                self._scheduler.kill(draw.choice(self._roles), draw.randint(1, 12), is_after=draw.random() < 0.5)
            case FaultKind.PROCESS_KILLED:
                self._kill_process()
            case FaultKind.SOCKET_DROPPED:
                self._venue.drop_connections(**self._which_sockets())
            case FaultKind.SOCKET_STALLED:
                self._venue.stall_connections(**self._which_sockets())
            case FaultKind.SERVER_SHUTDOWN:
                self._venue.announce_shutdown()
            case FaultKind.USER_STREAM_TERMINATED:
                self._venue.terminate_user_streams()
            case FaultKind.CLOCK_SKEW:
                self._venue.clock_skew_ms = draw.randint(-8_000, 8_000)
            case FaultKind.CLOCK_JUMP:
                self._clock.wall_ahead_ms += draw.uniform(-8_000, 8_000)
            case FaultKind.HTTP_418:
                self._ban()
            case FaultKind.SOCKET_REFUSED | FaultKind.LOGIN_FAILED:
                target, action, most = self._scripted(kind)
                self._venue.faults.add(Fault(target, action, count=draw.randint(1, most)))
                self._venue.drop_connections(user=True, market=kind is FaultKind.SOCKET_REFUSED)
            case _:
                target, action, most = self._scripted(kind)
                self._venue.faults.add(
                    Fault(target, action, skip=draw.choice((0, 0, 1, 3)), count=draw.randint(1, most))
                )

    def end(self) -> None:
        """No more faults; sockets that hang and clocks that differ stay as they are, and must be coped with."""
        self._venue.faults.clear()
        self._scheduler.spare_all()

    def _which_sockets(self) -> dict[str, bool]:
        market = self._random.random() < 0.6
        return {"market": market, "user": not market or self._random.random() < 0.4}

    def _ban(self) -> None:
        """The address is banned for some seconds: every request is answered with 418 until it is over."""
        seconds = self._random.randint(3, 15)
        until_ms = self._venue.now_ms() + seconds * 1000
        handle = self._venue.faults.add(Fault(Requests(), banned(until_ms, seconds), count=None))
        self._call_later(seconds, handle.remove)

    def _scripted(self, kind: FaultKind) -> tuple[Target, Action, int]:
        """What the emulator's own fault plan can do: target, action, and how often at most."""
        draw = self._random
        request = draw.choice(_REQUESTS)
        frames, event = MarketFrames("*@depth*"), UserEvents(draw.choice((None, "executionReport")))
        timeout_s = draw.choice((6.0, 11.0, 30.0))
        table: dict[FaultKind, tuple[Target, Action, int]] = {
            FaultKind.SOCKET_REFUSED: (Connections(), RejectHandshake(503), 3),
            FaultKind.LOGIN_FAILED: (WsApiRequests(), unknown_error(draw.choice(list(When))), 2),
            FaultKind.FRAME_LOST: (frames, Skip(), 3),
            FaultKind.FRAME_REPEATED: (frames, Duplicate(), 3),
            FaultKind.FRAME_REORDERED: (frames, SwapWithNext(), 2),
            FaultKind.FRAME_MALFORMED: (frames, Malform(), 2),
            FaultKind.FRAME_UNKNOWN: (draw.choice((frames, event)), Inject(), 2),
            FaultKind.BOOK_CROSSED: (frames, CrossBook(), 2),
            FaultKind.USER_EVENT_LOST: (event, Skip(), 3),
            FaultKind.USER_EVENT_REPEATED: (event, Duplicate(), 3),
            FaultKind.USER_EVENT_REORDERED: (event, SwapWithNext(), 2),
            FaultKind.HTTP_REFUSED: (Connections(), RefuseConnection(), 4),
            FaultKind.HTTP_RESET_BEFORE: (request, ResetConnection(When.BEFORE), 2),
            FaultKind.HTTP_RESET_AFTER: (request, ResetConnection(When.AFTER), 2),
            FaultKind.HTTP_TIMEOUT_BEFORE: (request, DelayAnswer(timeout_s, When.BEFORE), 2),
            FaultKind.HTTP_TIMEOUT_AFTER: (request, DelayAnswer(timeout_s, When.AFTER), 2),
            FaultKind.HTTP_SLOW: (request, DelayAnswer(draw.uniform(0.05, 2.0), When.AFTER), 4),
            FaultKind.HTTP_429: (request, too_many_requests(draw.randint(1, 5)), 2),
            FaultKind.HTTP_5XX_BEFORE: (
                request,
                draw.choice((unknown_error(When.BEFORE), backend_timeout(When.BEFORE), server_busy())),
                3,
            ),
            FaultKind.HTTP_5XX_AFTER: (
                request,
                draw.choice((unknown_error, unexpected_response, backend_timeout))(When.AFTER),
                3,
            ),
            FaultKind.HTTP_TRUNCATED: (request, TruncateBody(), 2),
            FaultKind.HTTP_MALFORMED: (request, ReplaceBody(), 2),
        }
        return table[kind]
