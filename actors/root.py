"""The root supervisor of a process: the dead-letter actor and one facade a connector.

Hears: StartRuntime from its owner (the public API's endpoint), ChildFailed. Says: PeerUp, PeerDown of the facades and
every SupervisionEvent of its own to the owner. A connector whose restarts are spent stays down; the others go on.
"""

from dataclasses import dataclass
from typing import Any

from openoutcry.actors.dead_letters import DeadLetters
from openoutcry.actors.exchange.connector_facade import ConnectorFacade
from openoutcry.actors.ports.clock import Clock
from openoutcry.actors.runtime import Environment, Start, StartOutside, handles
from openoutcry.actors.runtime.actor import DEAD_LETTERS
from openoutcry.actors.supervision import ChildSpec, Supervision
from openoutcry.actors.supervision.supervisor import SupervisorActor
from openoutcry.messages.lifecycle import PeerDown, PeerUp, SupervisionDecision, SupervisionEvent
from openoutcry.messages.market import TradingPairsChanged

_RESTARTS_A_CONNECTOR = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRuntime:
    """To a new root supervisor: which connectors to run."""

    environments: tuple[Environment, ...]
    clock: Clock
    seed: int


class RootSupervisor(SupervisorActor):
    """Keeps every connector's facade alive, each on its own."""

    @handles(StartRuntime)
    def _start_runtime(self, message: StartRuntime, sender: Any) -> None:
        self.role = "supervisor"
        self.clock = message.clock
        self._owner = sender
        self._seed = message.seed
        self._environments = {environment.connector: environment for environment in message.environments}
        facades = tuple(ChildSpec(role=name, actor=ConnectorFacade) for name in self._environments)
        supervision = Supervision(
            children=(ChildSpec(role=DEAD_LETTERS, actor=DeadLetters), *facades),
            max_restarts=_RESTARTS_A_CONNECTOR,
            is_budget_shared=False,
            backoff_initial_s=0.2,
            backoff_max_s=30.0,
        )
        self.start_children(supervision, "root", message.seed)

    def start_message(self, role: str, generation: int) -> Start | StartOutside:
        """A facade gets its connector's environment; the dead-letter actor knows the facades as peers."""
        if role == DEAD_LETTERS:
            return StartOutside(
                role=role, generation=generation, clock=self.clock, seed=self._seed, peers=self.child_peers()
            )
        return Start(role=role, generation=generation, environment=self._environments[role], peers=self.child_peers())

    @handles(TradingPairsChanged)
    def _trading_pairs_changed(self, message: TradingPairsChanged, sender: Any) -> None:
        known = self._role_of.get(sender)
        if known is not None:
            role, _generation = known
            self._environments[role] = self._environments[role].with_trading_pairs(message.trading_pairs)

    def on_decision(self, event: SupervisionEvent) -> None:
        """Tell the owner, with the facade's new address where there is one."""
        if event.role != DEAD_LETTERS:
            address = self.child_address(event.role)
            if event.decision in (SupervisionDecision.STARTED, SupervisionDecision.RESTARTED):
                self.send(self._owner, PeerUp(role=event.role, address=address, generation=event.generation))
            elif event.decision is SupervisionDecision.EXITED:
                self.send(self._owner, PeerDown(role=event.role, generation=event.generation))
        self.send(self._owner, event)

    def on_escalation(self, role: str, reason: str) -> None:
        """Nobody is above: that child stays down, loudly."""
        self.log.critical("%s stays down: %s", role, reason)
