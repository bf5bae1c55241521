"""Key, secret and signatures are in no log, status, event or journal, whatever goes wrong around them."""

import asyncio
import logging
from decimal import Decimal
from pathlib import Path

import pytest
from tree_bench import PAIR, settings, tree

from openoutcry import ConnectorNotReady, OrderType, Runtime
from openoutcry.actors import roles
from openoutcry.config.load import settings_from_mapping
from openoutcry.emulator.faults import Answer, Fault, Requests, ResetConnection, When
from openoutcry.emulator.server import TEST_API_KEY, TEST_API_SECRET, EmulatorServer
from openoutcry.exchanges.registry import known_exchanges

SECRETS = (TEST_API_KEY, TEST_API_SECRET, "signature=", '"signature"')


def assert_no_secret_in(text: str, where: str) -> None:
    for secret in SECRETS:
        assert secret not in text, f"{where} holds {secret[:4]}…"


async def test_nothing_that_is_written_holds_a_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="openoutcry")
    caplog.set_level(logging.DEBUG, logger="asyncio")
    told: list[object] = []
    async with tree(tmp_path, max_restarts=1000) as market:
        binance = market.connector

        async def follow() -> None:
            async for event in binance.supervision_events():
                told.append(event)

        follower = asyncio.create_task(follow())
        post = Requests("POST", "/api/v3/order")
        for action in (ResetConnection(), ResetConnection(When.AFTER), Answer(500, b"<html>")):
            market.server.faults.add(Fault(post, action))
            await binance.buy(PAIR, Decimal("0.001"), OrderType.LIMIT, market.price(0.9))
        for role in (roles.SIGNER, roles.REST, roles.USER_STREAM, roles.ORDERS):
            placing = asyncio.ensure_future(binance.buy(PAIR, Decimal("0.001"), OrderType.LIMIT, market.price(0.9)))
            binance.crash(role)
            await asyncio.gather(placing, return_exceptions=True)
            told.append(placing.exception())
            await binance.wait_ready(timeout=15)
            told.append(binance.status)
        told += [await market.runtime.figures(), binance, market.runtime.settings, market.events]
        told += [binance.in_flight_orders, binance.tracking_states]
        follower.cancel()
    assert_no_secret_in(repr(told), "a repr")
    assert_no_secret_in("\n".join(map(str, told)), "a text")
    assert_no_secret_in(caplog.text, "the log")
    for file in tmp_path.glob("*journal*"):
        assert_no_secret_in(file.read_bytes().decode("latin-1"), file.name)


async def test_a_refused_key_is_not_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="openoutcry")
    async with EmulatorServer() as server:
        config = settings_from_mapping(
            settings(server, tmp_path, secret="a wrong secret, never shown"), tmp_path, known=known_exchanges()
        )
        async with Runtime(config) as runtime:
            with pytest.raises(ConnectorNotReady) as caught:
                await runtime.connector("binance").wait_ready(timeout=1)
    for text in (str(caught.value), repr(caught.value), repr(caught.value.missing), caplog.text):
        assert_no_secret_in(text, "the refusal")
        assert "never shown" not in text
