"""What an actor is given at its start: who it is, and the doors to the outside."""

import random
from dataclasses import dataclass, replace
from typing import Any

from openoutcry.actors.ports.clock import Clock
from openoutcry.actors.ports.transport import Transport
from openoutcry.config.schema import ConnectorSettings
from openoutcry.exchanges.dialect import Endpoints, SpotDialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The same for all actors of one connector. Holds no secret: the signer reads its own."""

    connector: str
    """The connector's name in the config."""
    settings: ConnectorSettings
    dialect: SpotDialect
    endpoints: Endpoints
    transport: Transport
    clock: Clock
    seed: int
    """From which every random choice of the tree derives, so that a run can be repeated."""
    run_id: str = ""
    """Another one for each run of the program; the same for all incarnations of an actor in it."""

    def with_trading_pairs(self, trading_pairs: tuple[str, ...]) -> "Environment":
        """The same for an actor that is started after the pairs to follow have changed."""
        return replace(self, settings=self.settings.model_copy(update={"trading_pairs": trading_pairs}))

    def random_for(self, role: str, generation: int) -> random.Random:
        """A generator of an actor's own: seeded, and shared with nobody."""
        return random.Random(f"{self.seed}/{self.connector}/{role}/{generation}")  # noqa: S311 - jitter, no secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOutside:
    """The first message of an actor that belongs to no connector: the root supervisor, the dead-letter actor."""

    role: str
    generation: int
    clock: Clock
    seed: int
    peers: tuple[tuple[str, Any, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The first message of an actor's life, from its supervisor."""

    role: str
    generation: int
    environment: Environment
    peers: tuple[tuple[str, Any, int], ...] = ()
    """(role, address, generation) of those that are up already."""
