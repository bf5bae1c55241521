"""Runs the demonstration: emulator on loopback, a runtime against it through real sockets, script, comparison."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from openoutcry.connector import Connector
from openoutcry.demo.script import PAIRS, DemoScript
from openoutcry.demo.summary import OrderLog, Summary, compare
from openoutcry.emulator.server import TEST_API_KEY, TEST_API_SECRET, EmulatorServer, EmulatorUrls
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
        script = DemoScript(connector, lambda line: self.say(line))
        began = time.monotonic()

        async def follow() -> None:
            async for event in connector.events():
                log.add(event)
                script.note(event)

        async def count_restarts() -> None:
            async for event in connector.supervision_events():
                self.restarts += event.decision.value == "restarted"

        followers = [asyncio.create_task(follow()), asyncio.create_task(count_restarts())]
        try:
            await connector.wait_ready(timeout=30)
            ready_after_s = time.monotonic() - began
            self.say(f"ready after {ready_after_s:.2f} s: {len(connector.status_dict)} components, {', '.join(PAIRS)}")
            await script.run(self.seconds)
            await self._come_to_rest(log)
            return await compare(
                connector,
                self.server,
                log,
                ready_after_s=ready_after_s,
                frames=await self._frames(),
                restarts=self.restarts,
            )
        finally:
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)

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

    async def _frames(self) -> int:
        figures = await self.runtime.figures()
        source = figures.get((NAME, "book_source"))
        return int(dict(source.extra).get("frames", "0")) if source is not None else 0


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
