"""The shell around `SupervisorCore`: creates children, hears of their ends, and is the receptionist of its children.

Hears: ChildFailed and ChildActorExited of its children. Says: Start to a new child, PeerUp and PeerDown to the others,
ChildFailed to its own supervisor when its restart budget is spent. On its own restart all children are new ones.
"""

import random
from functools import partial
from typing import Any

from thespian.actors import ActorExitRequest, ChildActorExited

from openoutcry.actors.runtime import Backoff, ComponentActor, handles
from openoutcry.actors.supervision.core import (
    Decided,
    Effect,
    Escalate,
    RestartAfter,
    StartChild,
    StopChild,
    SupervisorCore,
)
from openoutcry.actors.supervision.spec import Supervision
from openoutcry.messages.lifecycle import ChildFailed, PeerDown, PeerUp, SupervisionDecision, SupervisionEvent


class EscalatedFailure(Exception):
    """A supervisor's budget is spent: it fails, so that the level above decides."""


class SupervisorActor(ComponentActor):
    """A supervisor; a subclass says what its children are and how they are started."""

    _core: SupervisorCore

    # What a subclass fills in

    def start_message(self, role: str, generation: int) -> Any:
        """The first message for a new child."""
        raise NotImplementedError

    def on_decision(self, event: SupervisionEvent) -> None:
        """Run for every decision, in order."""

    def on_escalation(self, role: str, reason: str) -> None:
        """Run when the budget is spent. As it stands the supervisor fails, which ends its children too."""
        raise EscalatedFailure(reason)

    def on_all_down(self) -> None:
        """Run when the last child is gone after `stop_children`."""

    # What a subclass calls

    def start_children(self, supervision: Supervision, seed_name: str, seed: int) -> None:
        """Start all children. Once, from `on_start`."""
        backoff = Backoff(
            supervision.backoff_initial_s,
            supervision.backoff_max_s,
            random.Random(f"{seed}/{seed_name}/{self.role}/{self.generation}"),  # noqa: S311 - jitter, no secrets
        )
        self._addresses: dict[str, Any] = {}
        self._role_of: dict[Any, tuple[str, int]] = {}
        self._stopping = False
        self._told_lasting: dict[str, str] = {}
        self._core = SupervisorCore(supervision, backoff.delay_s)
        self._carry_out(self._core.start())

    def stop_children(self) -> None:
        """Stop all children in reverse order; `on_all_down` follows."""
        self._stopping = True
        self._carry_out(self._core.stop())
        if self._core.all_down:
            self.on_all_down()

    def child_address(self, role: str) -> Any | None:
        """Where a child is now; None while it is down."""
        return self._addresses.get(role)

    def child_peers(self) -> tuple[tuple[str, Any, int], ...]:
        """(role, address, generation) of all children that are up."""
        return tuple((role, address, self._core.generation(role)) for role, address in self._addresses.items())

    def tell_children(self, message: Any, *, but: str = "") -> None:
        """Send to every child that is up."""
        for role, address in self._addresses.items():
            if role != but:
                self.send(address, message)

    # Handlers

    @handles(ChildFailed)
    def _child_failed(self, message: ChildFailed, _sender: Any) -> None:
        if message.is_lasting:
            reason = message.error
            if self._told_lasting.get(message.role) != reason:
                self._told_lasting[message.role] = reason
                self.log.error("%s cannot work: %s", message.role, reason)
        else:
            reason = f"{message.error} (on {message.message_type})"
            self.log.error(
                "%s (generation %d) failed on %s: %s\n%s",
                message.role,
                message.generation,
                message.message_type,
                message.error,
                message.traceback,
            )
        effects = self._core.child_failed(message.role, message.generation, reason, is_lasting=message.is_lasting)
        self._carry_out(effects)

    @handles(ChildActorExited)
    def _child_exited(self, message: Any, _sender: Any) -> None:
        known = self._role_of.pop(message.childAddress, None)
        if known is None:
            return
        role, generation = known
        if self._addresses.get(role) == message.childAddress:
            del self._addresses[role]
            self._lose_peer(role)
        self.tell_children(PeerDown(role=role, generation=generation))
        self._carry_out(self._core.child_exited(role, generation, self.clock.monotonic_ns() / 1e9))
        if self._stopping and self._core.all_down:
            self.on_all_down()

    # The inside

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case StartChild(role, generation):
                    self._start_child(role, generation)
                case StopChild(role, _):
                    self.send(self._addresses[role], ActorExitRequest())
                case RestartAfter(role, delay_s):
                    self.after(delay_s, partial(self._restart, role))
                case Decided():
                    self._record(effect)
                case Escalate(role, reason):
                    self.on_escalation(role, reason)

    def _restart(self, role: str) -> None:
        self._carry_out(self._core.restart_due(role))

    def _start_child(self, role: str, generation: int) -> None:
        address = self.createActor(self._core.supervision.by_role[role].actor)
        self._role_of[address] = (role, generation)
        self.send(address, self.start_message(role, generation))
        self.tell_children(PeerUp(role=role, address=address, generation=generation))
        self._addresses[role] = address
        self._peers[role] = (address, generation)

    def _record(self, decided: Decided) -> None:
        event = SupervisionEvent(
            supervisor=self.role,
            role=decided.role,
            decision=decided.decision,
            generation=decided.generation,
            reason=decided.reason,
            restarts_in_period=self._core.restarts_in_period(decided.role),
            max_restarts=self._core.supervision.max_restarts,
            delay_s=decided.delay_s,
            time_ms=self.clock.wall_ms(),
            is_lasting=decided.is_lasting,
        )
        is_trouble = decided.decision in (SupervisionDecision.RESTART_SCHEDULED, SupervisionDecision.ESCALATED)
        if is_trouble and not decided.is_lasting:
            self.log.warning("%s %s: %s", decided.role, decided.decision.value, decided.reason)
        self.on_decision(event)
