"""Runs the demonstration: emulator on loopback, a runtime against it through real sockets, script, comparison."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from openoutcry.actors import roles
from openoutcry.connector import Connector
from openoutcry.demo.script import CRASHES, PAIRS, DemoScript
from openoutcry.demo.summary import OrderLog, Summary, compare
from openoutcry.emulator.server import TEST_API_KEY, TEST_API_SECRET, EmulatorServer, EmulatorUrls
from openoutcry.errors import OpenoutcryError
from openoutcry.messages.lifecycle import SupervisionDecision
from openoutcry.runtime import Runtime

NAME = "binance"
_SETTLE_S = 10.0


class Demo:
    """One demonstration: `started` around `run`."""

    def __init__(self, seconds: float, say: Callable[[str], None]) -> None:
        self.seconds = seconds
        self.say = say
        self.runtime: Runtime
        self.server: EmulatorServer
        self.restarts = 0
        self._began = time.monotonic()
        self._frames: dict[int, int] = {}
        """By generation of the book source."""

    @property
    def connector(self) -> Connector:
        """The connector that trades."""
        return self.runtime.connector(NAME)

    @asynccontextmanager
    async def started(self) -> AsyncIterator[None]:
        """The exchange and the tree, up until the end of the block."""
        with tempfile.TemporaryDirectory(prefix="openoutcry-demo-") as folder:
            self.server = EmulatorServer()
            async with self.server:
                self.runtime = Runtime(_settings(self.server.urls, Path(folder)))
                async with self.runtime:
                    yield

    async def run(self) -> Summary:
        """Trade, crash, compare. Within `started`."""
        connector = self.connector
        log = OrderLog()
        script = DemoScript(connector, self._tell, self._count_frames)
        self._began = time.monotonic()

        async def follow() -> None:
            async for event in connector.events():
                log.add(event)
                script.note(event)

        async def count_restarts() -> None:
            async for event in connector.supervision_events():
                self.restarts += event.decision is SupervisionDecision.RESTARTED

        followers = [asyncio.create_task(follow()), asyncio.create_task(count_restarts())]
        try:
            await connector.wait_ready(timeout=30)
            ready_after_s = time.monotonic() - self._began
            self._tell(
                f"ready after {ready_after_s:.2f} s: {len(connector.status_dict)} components, {', '.join(PAIRS)}"
            )
            failures = await self._trade(script)
            await self._come_to_rest(log)
            await self._count_frames()
            summary = await compare(
                connector,
                self.server,
                log,
                ready_after_s=ready_after_s,
                frames=sum(self._frames.values()),
                restarts=self.restarts,
            )
            summary.problems += failures
            if self.restarts < CRASHES:
                summary.problems.append(f"{CRASHES} components were crashed, {self.restarts} were restarted")
            return summary
        finally:
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)

    def _tell(self, line: str) -> None:
        self.say(f"{time.monotonic() - self._began:5.1f} s  {line}")

    async def _trade(self, script: DemoScript) -> list[str]:
        """What kept the script from its end; the comparison shows what came of it all the same."""
        try:
            await script.run(self.seconds)
        except (OpenoutcryError, TimeoutError) as error:
            return [f"the script ended early: {type(error).__name__}: {error}"]
        return []

    async def _come_to_rest(self, log: OrderLog) -> None:
        """Stop the exchange's order flow, and wait until what it has told has arrived."""
        self.server.stop_flow()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _SETTLE_S
        while loop.time() < deadline:
            await asyncio.sleep(0.1)
            summary = await compare(self.connector, self.server, log, ready_after_s=0, frames=0, restarts=0)
            if summary.is_good:
                return

    async def _count_frames(self) -> None:
        """Note what the present book source has read: its count goes with it."""
        source = (await self.runtime.figures()).get((NAME, roles.BOOK_SOURCE))
        if source is not None:
            self._frames[source.generation] = int(dict(source.extra).get("frames", "0"))


def _settings(urls: EmulatorUrls, folder: Path) -> dict[str, object]:
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
                "rest_url": urls.rest_url,
                "ws_url": urls.ws_url,
                "ws_api_url": urls.ws_api_url,
            }
        },
    }
