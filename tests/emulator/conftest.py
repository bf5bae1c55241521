"""The fixtures of the emulator's tests."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from emulator_bench import Bench, Trader

from openoutcry.emulator.server import EmulatorServer


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
async def trader() -> AsyncIterator[Trader]:
    """A trader on an emulator whose time passes only in calls of `server.tick()`."""
    async with EmulatorServer(auto_tick=False) as server, aiohttp.ClientSession() as session:
        yield Trader(server, session)
