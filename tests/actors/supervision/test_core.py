"""The supervisor's decisions against a plain reading of OTP's rules, under any order of failures, exits and delays."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from openoutcry.actors.supervision import ChildSpec, Restart, Strategy, Supervision
from openoutcry.actors.supervision.budget import RestartBudget
from openoutcry.actors.supervision.core import Decided, Escalate, RestartAfter, StartChild, StopChild, SupervisorCore
from openoutcry.messages.lifecycle import SupervisionDecision

ROLES = ("a", "b", "c", "d")


def tree(strategy: Strategy, restart: Restart = Restart.PERMANENT, max_restarts: int = 1000) -> Supervision:
    children = tuple(ChildSpec(role=role, actor=object, restart=restart) for role in ROLES)
    return Supervision(children=children, strategy=strategy, max_restarts=max_restarts, period_s=60)


@given(st.lists(st.floats(0, 20), max_size=40), st.integers(0, 5), st.floats(0.1, 10))
def test_the_budget_equals_its_naive_count(steps: list[float], limit: int, period_s: float) -> None:
    budget = RestartBudget(limit, period_s)
    now, spent = 0.0, []
    for step in steps:
        now += step
        spent.append(now)
        assert budget.spend(now) == (sum(moment >= now - period_s for moment in spent) <= limit)


def test_children_with_budgets_of_their_own_do_not_pay_for_each_other() -> None:
    children = tuple(ChildSpec(role=role, actor=object) for role in ROLES)
    supervision = Supervision(children=children, max_restarts=2, is_budget_shared=False)
    core = SupervisorCore(supervision, lambda attempt: 0.1 * attempt)
    core.start()
    for generation in (1, 2, 3):
        effects = core.child_exited("a", generation, 0.0)
        core.restart_due("a")
    assert any(isinstance(effect, Escalate) for effect in effects)
    assert RestartAfter("b", 0.1) in core.child_exited("b", 1, 0.0)


def test_a_failure_that_only_a_person_can_mend_spends_nothing_of_the_budget() -> None:
    core = SupervisorCore(tree(Strategy.ONE_FOR_ONE, max_restarts=1), lambda attempt: 0.1 * attempt)
    core.start()
    for generation in range(1, 20):
        core.child_failed("a", generation, "no journal", is_lasting=True)
        effects = core.child_exited("a", generation, 0.0)
        assert RestartAfter("a", core.supervision.lasting_retry_s) in effects
        core.restart_due("a")
    assert core.restarts_in_period("a") == 0
    core.child_failed("a", 20, "boom")
    assert RestartAfter("a", 0.1) in core.child_exited("a", 20, 0.0), "the next failure is an ordinary one again"


class SupervisorMachine(RuleBasedStateMachine):
    """Plays the actor system around the core: what is up, what was told to stop, which timers run."""

    @initialize(strategy=st.sampled_from(Strategy))
    def begin(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.core = SupervisorCore(tree(strategy), lambda attempt: 0.1 * attempt)
        self.up: dict[str, int] = {}
        self.generations: dict[str, int] = dict.fromkeys(ROLES, 0)
        self.exiting: dict[str, int] = {}
        self.timers: list[str] = []
        self.starts: list[str] = []
        self.take(self.core.start())
        assert self.starts == list(ROLES)

    def take(self, effects: list[Any]) -> None:
        self.starts = []
        stops: list[str] = []
        for effect in effects:
            match effect:
                case StartChild(role, generation):
                    assert role not in self.up
                    assert generation == self.generations[role] + 1
                    self.generations[role] = self.up[role] = generation
                    self.starts.append(role)
                case StopChild(role, generation):
                    assert self.up[role] == generation
                    self.exiting[role] = generation
                    stops.append(role)
                case RestartAfter(role, delay_s):
                    assert delay_s > 0
                    self.timers.append(role)
                case Escalate():
                    raise AssertionError("the budget is large here")
        assert stops == sorted(stops, reverse=True), "stopped in reverse order"
        assert self.starts == sorted(self.starts), "started in order"

    @precondition(lambda self: self.up)
    @rule(data=st.data(), says_why=st.booleans())
    def a_child_ends(self, data: st.DataObject, says_why: bool) -> None:
        role = data.draw(st.sampled_from(sorted(self.up)))
        generation = self.up.pop(role)
        self.exiting.pop(role, None)
        if says_why:
            self.take(self.core.child_failed(role, generation, "boom"))
        self.take(self.core.child_exited(role, generation, 0.0))
        assert self.core.child_exited(role, generation, 0.0) == [], "the second notice changes nothing"

    @precondition(lambda self: self.exiting)
    @rule(data=st.data())
    def a_child_that_was_asked_to_exit_does(self, data: st.DataObject) -> None:
        role = data.draw(st.sampled_from(sorted(self.exiting)))
        del self.exiting[role]
        self.take(self.core.child_exited(role, self.up.pop(role), 0.0))

    @precondition(lambda self: self.timers)
    @rule(data=st.data())
    def a_delay_ends(self, data: st.DataObject) -> None:
        role = data.draw(st.sampled_from(sorted(self.timers)))
        self.timers.remove(role)
        self.take(self.core.restart_due(role))

    @invariant()
    def nothing_that_is_down_is_forgotten(self) -> None:
        """While something is down, something is still to come: a timer, or an exit that was asked for."""
        if len(getattr(self, "up", ROLES)) < len(ROLES):
            assert self.timers or self.exiting

    @invariant()
    def one_for_one_leaves_the_others_alone(self) -> None:
        if getattr(self, "strategy", None) is Strategy.ONE_FOR_ONE:
            assert not self.exiting

    def teardown(self) -> None:
        """In the end, when all that is due has come, all are up."""
        for _ in range(100):
            if self.exiting:
                role = next(iter(self.exiting))
                del self.exiting[role]
                self.take(self.core.child_exited(role, self.up.pop(role), 0.0))
            elif self.timers:
                self.take(self.core.restart_due(self.timers.pop(0)))
        if hasattr(self, "up"):
            assert sorted(self.up) == list(ROLES)


TestSupervisorMachine = SupervisorMachine.TestCase
TestSupervisorMachine.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


def running(strategy: Strategy, restart: Restart = Restart.PERMANENT, max_restarts: int = 5) -> SupervisorCore:
    core = SupervisorCore(tree(strategy, restart, max_restarts), lambda _: 1.0)
    core.start()
    return core


def stopped(effects: list[Any]) -> list[str]:
    return [effect.role for effect in effects if isinstance(effect, StopChild)]


def decisions(effects: list[Any]) -> list[SupervisionDecision]:
    return [effect.decision for effect in effects if isinstance(effect, Decided)]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [(Strategy.ONE_FOR_ONE, []), (Strategy.REST_FOR_ONE, ["d", "c"]), (Strategy.ONE_FOR_ALL, ["d", "c", "a"])],
)
def test_the_strategy_says_who_goes_down_with_b(strategy: Strategy, expected: list[str]) -> None:
    assert stopped(running(strategy).child_exited("b", 1, 0.0)) == expected


def test_transient_children_come_back_only_after_a_failure() -> None:
    core = running(Strategy.ONE_FOR_ONE, Restart.TRANSIENT)
    assert not any(isinstance(effect, RestartAfter) for effect in core.child_exited("a", 1, 0.0))
    core.child_failed("b", 1, "boom")
    assert any(isinstance(effect, RestartAfter) for effect in core.child_exited("b", 1, 0.0))


def test_temporary_children_never_come_back() -> None:
    core = running(Strategy.ONE_FOR_ONE, Restart.TEMPORARY)
    core.child_failed("a", 1, "boom")
    assert decisions(core.child_exited("a", 1, 0.0)) == [SupervisionDecision.EXITED]


def test_one_restart_more_than_the_budget_escalates_with_the_reason() -> None:
    core = running(Strategy.ONE_FOR_ONE, max_restarts=2)
    for generation in (1, 2):
        core.child_failed("a", generation, "boom")
        core.child_exited("a", generation, 10.0)
        core.restart_due("a")
    core.child_failed("a", 3, "boom")
    effects = core.child_exited("a", 3, 11.0)
    (escalation,) = (effect for effect in effects if isinstance(effect, Escalate))
    assert escalation.reason == "a failed more than 2 times in 60 s; last: boom"
    assert decisions(effects)[-1] is SupervisionDecision.ESCALATED


def test_old_restarts_leave_the_budget() -> None:
    core = running(Strategy.ONE_FOR_ONE, max_restarts=1)
    for generation, moment in ((1, 0.0), (2, 100.0), (3, 200.0)):
        assert not any(isinstance(e, Escalate) for e in core.child_exited("a", generation, moment))
        core.restart_due("a")


def test_stopping_goes_in_reverse_order_and_nothing_comes_back() -> None:
    core = running(Strategy.ONE_FOR_ALL)
    assert stopped(core.stop()) == ["d", "c", "b", "a"]
    for role in ROLES:
        effects = core.child_exited(role, 1, 0.0)
        assert decisions(effects) == [SupervisionDecision.STOPPED]
    assert core.all_down
    assert core.restart_due("a") == []


def test_a_spec_with_a_dependency_that_is_not_started_before_is_refused() -> None:
    with pytest.raises(ValueError, match="a depends on b"):
        Supervision(children=(ChildSpec(role="a", actor=object, depends_on=("b",)),))
    with pytest.raises(ValueError, match="two children have the role a"):
        Supervision(children=(ChildSpec(role="a", actor=object), ChildSpec(role="a", actor=object)))
