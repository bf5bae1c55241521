"""What a supervisor decides, pure: events about children in, effects out. It reads no clock and sends nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from openoutcry.actors.supervision.budget import RestartBudget
from openoutcry.actors.supervision.spec import Restart, Strategy, Supervision
from openoutcry.messages.lifecycle import SupervisionDecision


@dataclass(frozen=True, slots=True)
class StartChild:
    """Create the child's actor and start it."""

    role: str
    generation: int


@dataclass(frozen=True, slots=True)
class StopChild:
    """Ask the child to exit; `child_exited` follows."""

    role: str
    generation: int


@dataclass(frozen=True, slots=True)
class RestartAfter:
    """Call `restart_due` for the role after the delay."""

    role: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class Escalate:
    """The budget is spent: this supervisor stops its children and fails itself."""

    role: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decided:
    """For the record: no decision is silent."""

    role: str
    decision: SupervisionDecision
    generation: int
    reason: str = ""
    delay_s: float = 0.0
    is_lasting: bool = False


Effect = StartChild | StopChild | RestartAfter | Escalate | Decided


class _Is(Enum):
    DOWN = "down"
    UP = "up"
    STOPPING = "stopping"


class _Child:
    __slots__ = ("due", "failure", "generation", "is_", "is_lasting", "restarting", "restarts")

    def __init__(self) -> None:
        self.is_ = _Is.DOWN
        self.generation = 0
        self.restarts = 0
        self.restarting = False
        """Whether it is to come up again."""
        self.due = False
        """Whether its delay is over."""
        self.failure = ""
        self.is_lasting = False
        """Whether only a person can mend the failure."""


class SupervisorCore:
    """The state of one supervisor's children."""

    def __init__(self, supervision: Supervision, delay_s: Callable[[int], float]) -> None:
        """`delay_s` gives the delay before a restart by the number of restarts in the present period."""
        self.supervision = supervision
        self._delay_s = delay_s
        shared = RestartBudget(supervision.max_restarts, supervision.period_s)
        self._budgets = {
            child.role: shared
            if supervision.is_budget_shared
            else RestartBudget(supervision.max_restarts, supervision.period_s)
            for child in supervision.children
        }
        self._children = {child.role: _Child() for child in supervision.children}
        self._is_stopping = False

    def restarts_in_period(self, role: str) -> int:
        """Restarts counted against the child's budget now."""
        return self._budgets[role].spent

    def generation(self, role: str) -> int:
        """The present or last generation of a child; 0 before its first."""
        return self._children[role].generation

    def restarts(self, role: str) -> int:
        """How often a child was started again."""
        return self._children[role].restarts

    @property
    def all_down(self) -> bool:
        """Whether no child is alive."""
        return all(child.is_ is _Is.DOWN for child in self._children.values())

    def start(self) -> list[Effect]:
        """Start all children in order."""
        return [effect for role in self._children for effect in self._start(role)]

    def stop(self) -> list[Effect]:
        """Stop all children in reverse order; none comes up again."""
        self._is_stopping = True
        effects: list[Effect] = []
        for role, child in reversed(self._children.items()):
            child.restarting = False
            if child.is_ is _Is.UP:
                child.is_ = _Is.STOPPING
                effects.append(StopChild(role, child.generation))
        return effects

    def child_failed(self, role: str, generation: int, reason: str, *, is_lasting: bool = False) -> list[Effect]:
        """A child reported why it is about to end; its exit follows.

        A failure that only a person can mend (`is_lasting`) spends nothing of the budget: all the others restarting
        with it would not mend it either.
        """
        child = self._children.get(role)
        if child is None or child.generation != generation or child.is_ is _Is.DOWN:
            return []
        child.failure = reason
        child.is_lasting = is_lasting
        return [Decided(role, SupervisionDecision.FAILED, generation, reason, is_lasting=is_lasting)]

    def child_exited(self, role: str, generation: int, now_s: float) -> list[Effect]:
        """A child is gone. The second notice of the same exit changes nothing."""
        child = self._children.get(role)
        if child is None or child.generation != generation or child.is_ is _Is.DOWN:
            return []
        was_asked, failure, is_lasting = child.is_ is _Is.STOPPING, child.failure, child.is_lasting
        child.is_ = _Is.DOWN
        child.failure = ""
        child.is_lasting = False
        if self._is_stopping:
            return [Decided(role, SupervisionDecision.STOPPED, generation, failure)]
        if was_asked:
            return [Decided(role, SupervisionDecision.STOPPED, generation, failure), *self._start_those_due()]
        effects: list[Effect] = [Decided(role, SupervisionDecision.EXITED, generation, failure)]
        restart = self.supervision.by_role[role].restart
        if restart is Restart.TEMPORARY or (restart is Restart.TRANSIENT and not failure):
            return effects
        if is_lasting:
            return effects + self._schedule(role, failure, self.supervision.lasting_retry_s, is_lasting=True)
        budget = self._budgets[role]
        if not budget.spend(now_s):
            reason = (
                f"{role} failed more than {self.supervision.max_restarts} times in "
                f"{self.supervision.period_s:g} s; last: {failure or 'it exited'}"
            )
            effects.append(Decided(role, SupervisionDecision.ESCALATED, generation, reason))
            effects.append(Escalate(role, reason))
            return effects
        return effects + self._schedule(role, failure or "it exited", self._delay_s(budget.spent))

    def restart_due(self, role: str) -> list[Effect]:
        """The delay of a restart is over."""
        if self._is_stopping:
            return []
        for other in self._scope(role):
            if self._children[other].restarting:
                self._children[other].due = True
        return self._start_those_due()

    def _scope(self, role: str) -> list[str]:
        roles = list(self._children)
        match self.supervision.strategy:
            case Strategy.ONE_FOR_ONE:
                return [role]
            case Strategy.REST_FOR_ONE:
                return roles[roles.index(role) :]
            case Strategy.ONE_FOR_ALL:
                return roles

    def _schedule(self, role: str, reason: str, delay_s: float, *, is_lasting: bool = False) -> list[Effect]:
        effects: list[Effect] = []
        for other in reversed(self._scope(role)):
            child = self._children[other]
            if other != role and self.supervision.by_role[other].restart is Restart.TEMPORARY and child.is_ is _Is.DOWN:
                continue
            child.restarting = True
            child.due = False
            if child.is_ is _Is.UP:
                child.is_ = _Is.STOPPING
                effects.append(StopChild(other, child.generation))
        child = self._children[role]
        decision = SupervisionDecision.RESTART_SCHEDULED
        effects.append(Decided(role, decision, child.generation, reason, delay_s, is_lasting))
        effects.append(RestartAfter(role, delay_s))
        return effects

    def _start_those_due(self) -> list[Effect]:
        effects: list[Effect] = []
        in_order = self.supervision.strategy is not Strategy.ONE_FOR_ONE
        for role, child in self._children.items():
            if not child.restarting:
                continue
            if child.due and child.is_ is _Is.DOWN:
                effects.extend(self._start(role))
            elif in_order:
                break
        return effects

    def _start(self, role: str) -> list[Effect]:
        child = self._children[role]
        again = child.generation > 0
        child.generation += 1
        child.restarts += again
        child.is_ = _Is.UP
        child.restarting = child.due = False
        decision = SupervisionDecision.RESTARTED if again else SupervisionDecision.STARTED
        return [StartChild(role, child.generation), Decided(role, decision, child.generation)]
