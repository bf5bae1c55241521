"""The conversation about life: who is there, how it is, what failed, and who decides what next."""

from dataclasses import dataclass, field
from enum import StrEnum


class Readiness(StrEnum):
    """How a component is."""

    STARTING = "STARTING"
    READY = "READY"
    DEGRADED = "DEGRADED"
    FAILED = "FAILED"


class TradingMode(StrEnum):
    """What the connector lets through."""

    LIVE = "LIVE"
    CANCEL_ONLY = "CANCEL_ONLY"
    HALTED = "HALTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentStatus:
    """How one component is, why, since when, and what happens next."""

    role: str
    readiness: Readiness
    reason: str = ""
    since_ms: int = 0
    """Wall clock, ms since the epoch."""
    next_step: str = ""
    """E.g. "restart 3 of 5 in 8 s"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorStatus:
    """The whole connector's status; published at each change."""

    connector: str
    is_ready: bool
    mode: TradingMode
    mode_reason: str
    mode_since_ms: int
    components: tuple[ComponentStatus, ...]

    @property
    def missing(self) -> tuple[ComponentStatus, ...]:
        """The components that are not ready."""
        return tuple(one for one in self.components if one.readiness is not Readiness.READY)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerUp:
    """A component of the tree has this address from now on."""

    role: str
    address: object
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDown:
    """A component is gone; what it may still have sent is void."""

    role: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildFailed:
    """A component's handler raised and the component is ending itself."""

    role: str
    generation: int
    message_type: str
    error: str
    """Type and text of the exception."""
    traceback: str = field(repr=False)
    is_lasting: bool = False
    """Whether only a person can mend it: to start again at once would change nothing."""


class SupervisionDecision(StrEnum):
    """What a supervisor decided."""

    STARTED = "started"
    FAILED = "failed"
    EXITED = "exited"
    RESTART_SCHEDULED = "restart scheduled"
    RESTARTED = "restarted"
    STOPPED = "stopped"
    ESCALATED = "escalated"


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionEvent:
    """One decision of a supervisor: published, so that no restart is silent."""

    supervisor: str
    role: str
    decision: SupervisionDecision
    generation: int
    reason: str = ""
    restarts_in_period: int = 0
    max_restarts: int = 0
    delay_s: float = 0.0
    time_ms: int = 0
    is_lasting: bool = False
    """Whether only a person can mend the failure; such restarts go on for ever and are not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAnswered:
    """From the facade: the component that would have to answer is not there. To know nothing is not to know of none."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """A message that found nobody: to the dead-letter actor."""

    recipient: str
    message_type: str
    message: object = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFigures:
    """Ask an actor for its figures. Answered with `Figures`."""

    sent_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What an actor has done and how far behind it is."""

    role: str
    generation: int
    handled: int
    failed: int
    dropped: int
    """Messages that its full mailbox let go, by their policy."""
    mailbox_depth: int
    mailbox_age_s: float
    """How long the question waited in the mailbox."""
    restarts: int = 0
    extra: tuple[tuple[str, str], ...] = ()
    """Figures of the role's own, e.g. frames, resyncs, weight used."""


class Topic(StrEnum):
    """What can be subscribed to."""

    BEST_BID_ASK = "best bid ask"
    TRADES = "trades"
    ORDER_EVENTS = "order events"
    BALANCES = "balances"
    STATUS = "status"
    SUPERVISION = "supervision"
    TRADING_RULES = "trading rules"
    FEES = "fees"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """To the facade: send me what is published under these topics, the present state first."""

    topics: frozenset[Topic]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    """To the facade: no more of these topics."""

    topics: frozenset[Topic]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribers:
    """From the facade to a component: who gets what it publishes under a topic."""

    topic: Topic
    addresses: tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTradingMode:
    """To the facade: change the mode, with a reason that refusals will show."""

    mode: TradingMode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Stop in good order: close the gate, cancel if configured so, ask what is left. Answered with `Drained`."""

    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What the exchange showed at the end."""

    is_flat: bool | None
    """True: no open order is left. False: some are. None: unknown."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserStreamInterrupted:
    """The user stream has a hole from here on: what happens now must be asked for."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserStreamResumed:
    """The user stream is live again: reconcile what happened in the hole."""

    since_ms: int
    """Exchange time from which on nothing is missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFigures:
    """From a facade: the figures of one of its components, or its own."""

    connector: str
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashComponent:
    """To a facade: make a handler of that component raise, to see the tree heal. For demonstrations and chaos tests."""

    role: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """To any actor: raise in the handler of this message."""

    reason: str
