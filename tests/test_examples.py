"""The examples run, as the README says, against the embedded exchange."""

import asyncio
import sys
from pathlib import Path

from openoutcry.emulator.server import TEST_ACCOUNT, TEST_API_KEY, TEST_API_SECRET, EmulatorServer

EXAMPLES = Path(__file__).parent.parent / "examples"


async def test_the_bot_in_twenty_lines_places_an_order_and_cancels_it(tmp_path: Path) -> None:
    async with EmulatorServer() as server:
        config = (EXAMPLES / "openoutcry.toml").read_text(encoding="utf-8")
        address = server.urls.rest_url.removeprefix("http://")
        (tmp_path / "openoutcry.toml").write_text(config.replace("127.0.0.1:8080", address), encoding="utf-8")
        bot = await asyncio.create_subprocess_exec(
            sys.executable,
            str(EXAMPLES / "embed.py"),
            cwd=tmp_path,
            env={
                "BINANCE_KEY": TEST_API_KEY,
                "BINANCE_SECRET": TEST_API_SECRET,
                "PYTHONWARNINGS": "always::ResourceWarning",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            output, errors = await bot.communicate()
        assert errors.decode() == ""
        assert bot.returncode == 0
        lines = output.decode().splitlines()
        assert [line.split("(")[0] for line in lines[1:]] == ["OrderCreated", "OrderCancelled"]
        assert not server.exchange.open_orders(TEST_ACCOUNT)
