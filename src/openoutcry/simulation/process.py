"""A bot's process in a simulation: runtime, strategy, subscriber. It can die and come again."""

import asyncio
import contextlib
import random
from pathlib import Path
from typing import Any, Final

from openoutcry.actors.runtime.actor import DeliberateCrash
from openoutcry.actors.supervision.supervisor import EscalatedFailure
from openoutcry.connector import Connector
from openoutcry.emulator.venue import TEST_API_KEY, TEST_API_SECRET
from openoutcry.errors import OpenoutcryError
from openoutcry.messages.lifecycle import SupervisionDecision
from openoutcry.runtime import Runtime
from openoutcry.simulation.invariants import EventWatch
from openoutcry.simulation.loop import LoopClock
from openoutcry.simulation.network import MemoryTransport, Wire
from openoutcry.simulation.scheduler import SeededScheduler
from openoutcry.simulation.strategy import PAIRS, ActiveStrategy

NAME: Final = "binance"
"""Of the connector."""


class BotProcess:
    """One process after the other: each finds the journal as the last one had committed it, and nothing else."""

    def __init__(
        self,
        folder: Path,
        wire: Wire,
        clock: LoopClock,
        scheduler: SeededScheduler,
        watch: EventWatch,
        generator: random.Random,
    ) -> None:
        self.restarts = 0
        """Of actors, in all processes."""
        self.deaths = 0
        self.crashes: list[str] = []
        """Of actors, that nobody asked for."""
        self._wire = wire
        self._clock = clock
        self._scheduler = scheduler
        self._watch = watch
        self._random = generator
        self._settings = _settings(folder)
        self._runtime: Runtime | None = None
        self._transport: MemoryTransport
        self._strategy: asyncio.Task[None]
        self._followers: list[asyncio.Task[None]] = []
        self._rebirth: asyncio.Task[None] | None = None

    @property
    def connector(self) -> Connector:
        """The handle of the connector, in the process that runs now."""
        if self._runtime is None:
            raise RuntimeError("no process runs now")
        return self._runtime.connector(NAME)

    async def start(self) -> None:
        """Start a process."""
        wire = self._wire
        wire.bans.forget()
        self._transport = MemoryTransport(wire)
        runtime = self._runtime = Runtime(
            self._settings,
            transport=self._transport,
            clock=self._clock,
            seed=self._random.getrandbits(63),
            scheduler=self._scheduler,
        )
        wire.trace.note("process", "starts")
        await runtime.start()
        connector = runtime.connector(NAME)
        strategy = ActiveStrategy(connector, random.Random(self._random.getrandbits(63)), wire.trace)  # noqa: S311
        self._strategy = asyncio.create_task(strategy.run())
        self._followers = [
            asyncio.create_task(self._follow_orders(connector)),
            asyncio.create_task(self._follow_restarts(connector)),
        ]

    def die(self) -> None:
        """Kill the process; it is started again after a while. Nothing happens while it is dead already."""
        if self._rebirth is None:
            self._rebirth = asyncio.create_task(self._die_and_come_again())

    async def stop_trading(self) -> None:
        """No more orders; a process that is dead is started again first."""
        if self._rebirth is not None:
            await self._rebirth
        await _end([self._strategy])

    async def stop(self) -> None:
        """End in good order."""
        if self._runtime is not None:
            await self._runtime.stop()
            await _end(self._followers)
            await self._transport.close()

    async def _die_and_come_again(self) -> None:
        self.deaths += 1
        self._wire.trace.note("process", "is killed")
        runtime, self._runtime = self._runtime, None
        self._transport.die()
        if runtime is not None:
            await runtime.vanish()
        await _end([self._strategy, *self._followers])
        await asyncio.sleep(self._random.choice((0.05, 0.5, 3.0, 12.0)))
        await self.start()
        self._rebirth = None

    async def _follow_orders(self, connector: Connector) -> None:
        while True:
            try:
                async for event in connector.events(after=self._watch.last_number):
                    self._watch.add(event)
            except (OpenoutcryError, TimeoutError) as error:
                self._wire.trace.note("subscriber", f"begins again: {error}")
            await asyncio.sleep(0.2)

    async def _follow_restarts(self, connector: Connector) -> None:
        async for event in connector.supervision_events():
            self._wire.trace.note("supervisor", f"{event.role} {event.decision.value}: {event.reason}")
            if event.decision is SupervisionDecision.RESTARTED:
                self.restarts += 1
            elif event.decision is SupervisionDecision.RESTART_SCHEDULED and not _was_wanted(event.reason):
                self.crashes.append(f"{event.role} crashed by itself: {event.reason}")


def _was_wanted(reason: str) -> bool:
    """Whether a kill of ours made an actor fail, or more kills in a row than its supervisor bears."""
    return reason.startswith((DeliberateCrash.__name__, EscalatedFailure.__name__))


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _settings(folder: Path) -> dict[str, Any]:
    key, secret = folder / "key", folder / "secret"
    for path, value in ((key, TEST_API_KEY), (secret, TEST_API_SECRET)):
        path.touch(mode=0o600)
        path.write_text(value)
    return {
        "state_directory": str(folder),
        "connectors": {
            NAME: {
                "exchange": "binance",
                "trading_pairs": list(PAIRS),
                "api_key": {"file": str(key)},
                "api_secret": {"file": str(secret)},
                "rest_url": "https://exchange.simulated",
                "ws_url": "wss://stream.simulated",
                "ws_api_url": "wss://api.simulated/ws-api/v3",
            }
        },
    }
