"""The public door: a runtime holds the actor system and one connector for each entry of the config."""

import asyncio
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from thespian.actors import ActorSystem

from openoutcry.actors.order_tracker.order_tracker import OrderTracker
from openoutcry.actors.ports.aiohttp_transport import AiohttpTransport
from openoutcry.actors.ports.clock import Clock, SystemClock
from openoutcry.actors.ports.transport import Transport
from openoutcry.actors.root import RootSupervisor, StartRuntime
from openoutcry.actors.runtime import Environment
from openoutcry.actors.system import AsyncioSystemBase
from openoutcry.actors.system.scheduler import Scheduler
from openoutcry.config.load import load_settings, settings_from_mapping
from openoutcry.config.schema import ConnectorSettings, Settings
from openoutcry.connector import Connector
from openoutcry.endpoint import Endpoint
from openoutcry.errors import ConnectorStopped
from openoutcry.exchanges.dialect import Endpoints
from openoutcry.exchanges.registry import dialect, known_exchanges
from openoutcry.feeds import Feed
from openoutcry.messages.lifecycle import (
    Drained,
    Figures,
    GetFigures,
    PeerDown,
    PeerUp,
    SupervisionDecision,
    SupervisionEvent,
    TreeFigures,
)


class Runtime:
    """An actor system in the caller's event loop, with a supervised tree for each connector of the config.

    ```python
    async with Runtime.from_file("openoutcry.toml") as runtime:
        binance = runtime.connector("binance")
        await binance.wait_ready()
    ```
    """

    def __init__(
        self,
        settings: Settings | Mapping[str, Any],
        *,
        transport: Transport | None = None,
        clock: Clock | None = None,
        seed: int | None = None,
        drain_timeout_s: float = 10.0,
        scheduler: Scheduler | None = None,
    ) -> None:
        """`settings` may be a mapping of the TOML file's form; `seed` repeats every random choice of the tree.

        `scheduler` is for simulations: it decides whose message is handled next.

        Raises:
            ConfigError: lists every mistake of a mapping.
        """
        if not isinstance(settings, Settings):
            settings = settings_from_mapping(settings, Path.cwd(), known=known_exchanges())
        self.settings = settings
        self._transport = transport
        self._clock = clock or SystemClock()
        self._seed = secrets.randbits(63) if seed is None else seed
        self._drain_timeout_s = drain_timeout_s
        self._scheduler = scheduler
        self._connectors: dict[str, Connector] = {}
        self._figures: dict[tuple[str, str], Figures] = {}
        self._supervision_events: Feed[SupervisionEvent] = Feed(buffer=10_000)
        self._figures_came = asyncio.Event()
        self._facades: dict[str, Any] = {}
        self._run_id = f"{self._clock.wall_ms()}-{self._seed}"
        self._is_running = False
        self._stopping: asyncio.Future[None] | None = None
        self.drained: dict[str, Drained] = {}
        """What each connector showed when the runtime was closed."""

    @classmethod
    def from_file(cls, path: str | Path, **options: Any) -> Self:
        """A runtime for a TOML file.

        Raises:
            ConfigError: lists every mistake.
        """
        return cls(load_settings(Path(path), known=known_exchanges()), **options)

    def connector(self, name: str) -> Connector:
        """The handle of a connector.

        Raises:
            KeyError: the config names no such connector.
            ConnectorStopped: the runtime is not running.
        """
        if name not in self.settings.connectors:
            raise KeyError(f"no connector {name!r} in the config; there are: {', '.join(self.settings.connectors)}")
        if not self._is_running:
            raise ConnectorStopped("the runtime is not running: use `async with runtime:`")
        return self._connectors[name]

    @property
    def connectors(self) -> dict[str, Connector]:
        """All handles, by name."""
        return dict(self._connectors)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the trees; returns at once, `Connector.wait_ready` waits.

        Raises:
            ConnectorStopped: it was started before: each runtime is started once.
        """
        if self._is_running or self._stopping is not None:
            raise ConnectorStopped("a runtime is started once: make a new one")
        self._base = AsyncioSystemBase(scheduler=self._scheduler)
        self._system = ActorSystem(systemBase=self._base, transientUnique=True)
        self._own_transport = None if self._transport is not None else AiohttpTransport()
        transport = self._transport or self._own_transport
        assert transport is not None  # noqa: S101 - one of the two
        self._endpoint = Endpoint(self._base, self._receive, "runtime")
        environments = tuple(
            self._environment(name, settings, transport) for name, settings in self.settings.connectors.items()
        )
        for name, settings in self.settings.connectors.items():
            self._connectors[name] = Connector(name, settings, self._base, self._clock.monotonic_ns)
        self._root = self._system.createActor(RootSupervisor)
        self._is_running = True
        self._endpoint.tell(self._root, StartRuntime(environments=environments, clock=self._clock, seed=self._seed))

    async def stop(self) -> None:
        """Drain every connector, then end all actors and close all sockets. Idempotent."""
        if self._stopping is None:
            if not self._is_running:
                return
            self._stopping = asyncio.ensure_future(self._stop())
        # Whoever calls while it is under way waits for the same end, and being cancelled does not cut it short.
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        answers = await asyncio.gather(*(one.drain(self._drain_timeout_s) for one in self._connectors.values()))
        self.drained = dict(zip(self._connectors, answers, strict=True))
        self._is_running = False
        self._supervision_events.close()
        for connector in self._connectors.values():
            connector.close()
        self._endpoint.close()
        await self._base.aclose()
        self._system.shutdown()
        if self._own_transport is not None:
            await self._own_transport.close()

    async def vanish(self) -> None:
        """End as the death of the process would: nothing is drained, told or written. For simulations."""
        self._is_running = False
        self._supervision_events.close()
        for connector in self._connectors.values():
            connector.close()
        self._endpoint.close()
        for cell in tuple(self._base.actorRegistry.values()):
            if isinstance(cell.instance, OrderTracker):
                cell.instance.has_failed = True  # its journal stays as it was last committed
                cell.instance.on_stop()
        await self._base.vanish()

    async def figures(self, timeout_s: float = 2.0) -> dict[tuple[str, str], Figures]:
        """What every actor has done: figures by (connector, role), of those that answer in time."""
        self._figures.clear()
        expected = 0
        for name, connector in self._connectors.items():
            if (facade := self._facades.get(name)) is not None and connector.status is not None:
                expected += 1 + len(connector.status.components)
                self._endpoint.tell(facade, GetFigures(sent_ns=self._clock.monotonic_ns()))
        deadline = asyncio.get_running_loop().time() + timeout_s
        while len(self._figures) < expected and asyncio.get_running_loop().time() < deadline:
            self._figures_came.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._figures_came.wait()
            except TimeoutError:
                break
        return dict(self._figures)

    # The inside

    def _environment(self, name: str, settings: ConnectorSettings, transport: Transport) -> Environment:
        spoken = dialect(settings.exchange)
        domain = spoken.domains[settings.domain or next(iter(spoken.domains))]
        endpoints = Endpoints(
            rest_url=settings.rest_url or domain.rest_url,
            ws_url=settings.ws_url or domain.ws_url,
            ws_api_url=settings.ws_api_url or domain.ws_api_url,
        )
        if (journal := journal_path(self.settings, name)) is not None:
            settings = settings.model_copy(update={"journal": journal})
        return Environment(
            connector=name,
            settings=settings,
            dialect=spoken,
            endpoints=endpoints,
            transport=transport,
            clock=self._clock,
            seed=self._seed,
            run_id=self._run_id,
        )

    def _receive(self, message: Any, _sender: Any) -> None:
        match message:
            case PeerUp(role=name, address=address):
                self._facades[name] = address
                self._connectors[name].facade_up(address)
            case PeerDown(role=name):
                self._facades.pop(name, None)
                self._connectors[name].facade_down()
            case SupervisionEvent():
                if message.decision is SupervisionDecision.ESCALATED and message.role in self._connectors:
                    self._connectors[message.role].gave_up(message.reason)
                self._supervision_events.publish(message)
            case TreeFigures(connector=name, figures=figures):
                self._figures[name, figures.role] = figures
                self._figures_came.set()
            case _:
                pass


def journal_path(settings: Settings, name: str) -> Path | None:
    """Where a connector's order journal lies; None for one that is for market data only."""
    connector = settings.connectors[name]
    if connector.is_market_data_only:
        return None
    return connector.journal or settings.state_directory / f"{name}.journal.sqlite"
