"""The server over real sockets: streams, user events, pings, lifetimes, ports."""

import asyncio
import json
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import WSMsgType
from emulator_bench import Trader

from openoutcry.emulator.binance.limits import RateLimits
from openoutcry.emulator.command import emulate
from openoutcry.emulator.server import TEST_ACCOUNT, EmulatorServer, PortInUse


async def test_a_port_in_use_is_named_with_a_way_out() -> None:
    async with EmulatorServer(auto_tick=False, flow_seed=None) as first:
        port = int(first.urls.rest_url.rsplit(":", 1)[1])
        with pytest.raises(PortInUse, match=rf"port {port} .* in use: .* choose another port"):
            await EmulatorServer(port=port, flow_seed=None).start()


async def test_time_passes_by_itself() -> None:
    async with EmulatorServer() as server, aiohttp.ClientSession() as session:
        trader = Trader(server, session)
        async with trader.streams("/ws/btcusdt@depth@100ms") as ws:
            first = await ws.receive_json(timeout=5)
            second = await ws.receive_json(timeout=5)
    assert second["U"] == first["u"] + 1


async def test_raw_and_combined_streams_carry_the_same_payloads(trader: Trader) -> None:
    name = "btcusdt@depth@100ms"
    async with trader.streams(f"/ws/{name}") as raw, trader.streams(f"/stream?streams={name}") as combined:
        await settled(trader, market=2)
        trader.server.tick()
        payload = await raw.receive_json(timeout=5)
        assert payload["e"] == "depthUpdate"
        assert await combined.receive_json(timeout=5) == {"stream": name, "data": payload}


async def test_streams_can_be_subscribed_later(trader: Trader) -> None:
    async with trader.streams("/ws") as ws:
        await ws.send_json({"method": "SUBSCRIBE", "params": ["ethusdt@bookTicker"], "id": 1})
        assert await ws.receive_json(timeout=5) == {"result": None, "id": 1}
        for _ in range(20):
            trader.server.tick()
        ticker = await ws.receive_json(timeout=5)
        assert ticker.keys() == {"u", "s", "b", "B", "a", "A"}


async def test_who_sends_too_much_is_disconnected(trader: Trader) -> None:
    async with trader.streams("/ws") as ws:
        for number in range(6):
            await ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
        answers = [await ws.receive(timeout=5) for _ in range(6)]
        assert [answer.type for answer in answers] == [WSMsgType.TEXT] * 5 + [WSMsgType.CLOSE]
        assert ws.close_code == 1008


async def test_an_order_reaches_the_engine_and_its_user_stream(trader: Trader) -> None:
    ws = await trader.user_stream()
    status, placed = await trader.buy("mine")
    assert (status, placed["status"]) == (200, "NEW")
    assert [order.client_order_id for order in trader.server.exchange.open_orders(TEST_ACCOUNT)] == ["mine"]
    report = await ws.receive_json(timeout=5)
    assert report["subscriptionId"] == 0
    assert (report["event"]["x"], report["event"]["c"]) == ("NEW", "mine")
    assert (await ws.receive_json(timeout=5))["event"]["e"] == "outboundAccountPosition"
    await ws.close()


async def test_an_order_by_websocket_is_answered_before_its_events(trader: Trader) -> None:
    ws = await trader.user_stream()
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    answer = await trader.ask(ws, "order.place", order)
    assert (answer["id"], answer["result"]["status"]) == (7, "FILLED")
    told = [(await ws.receive_json(timeout=5))["event"] for _ in range(3)]
    assert [event.get("x") for event in told] == ["NEW", "TRADE", None]
    await ws.close()


async def test_a_deposit_reaches_the_user_stream(trader: Trader) -> None:
    ws = await trader.user_stream()
    trader.server.deposit("BTC", Decimal(1))
    assert (await ws.receive_json(timeout=5))["event"]["e"] == "balanceUpdate"
    await ws.close()


async def test_the_server_pings_and_answers_pings() -> None:
    async with (
        EmulatorServer(auto_tick=False, ping_interval_s=0) as server,
        aiohttp.ClientSession() as session,
        Trader(server, session).streams("/ws") as ws,
    ):
        await ws.ping(b"hello")
        assert (await ws.receive(timeout=5)).data == b"hello"
        server.tick()
        ping = await ws.receive(timeout=5)
        assert ping.type is WSMsgType.PING
        await ws.pong(ping.data)


async def test_a_reader_that_is_too_slow_is_cut_off(trader: Trader) -> None:
    async with trader.streams("/ws/btcusdt@trade"):
        await settled(trader, market=1)
        megabyte = b'"' + b"x" * 2**20 + b'"'
        trader.server._publish([("btcusdt@trade", megabyte)] * 32)
        while trader.server.market_connections:
            await asyncio.sleep(0.001)


async def test_a_connection_lives_no_longer_than_it_may() -> None:
    async with EmulatorServer(auto_tick=False, lifetime_s=0) as server, aiohttp.ClientSession() as session:
        trader = Trader(server, session)
        async with trader.streams("/ws") as ws:
            await settled(trader, market=1)
            server.tick()
            assert (await ws.receive(timeout=5)).type is WSMsgType.CLOSE


async def test_a_shutdown_is_announced_on_both_kinds_of_stream(trader: Trader) -> None:
    user = await trader.user_stream()
    async with trader.streams("/stream?streams=btcusdt@trade") as combined, trader.streams("/ws/btcusdt@trade") as raw:
        await settled(trader, market=2)
        trader.server.announce_shutdown()
        assert (await combined.receive_json(timeout=5))["stream"] == "!serverShutdown"
        assert (await raw.receive_json(timeout=5))["e"] == "serverShutdown"
        assert (await user.receive_json(timeout=5))["event"]["e"] == "serverShutdown"
        assert (await raw.receive(timeout=5)).type is WSMsgType.CLOSE
    await user.close()


async def test_a_terminated_user_stream_can_be_subscribed_again(trader: Trader) -> None:
    ws = await trader.user_stream()
    trader.server.terminate_user_streams()
    assert (await ws.receive_json(timeout=5))["event"]["e"] == "eventStreamTerminated"
    assert (await trader.ask(ws, "userDataStream.subscribe.signature", {}))["result"] == {"subscriptionId": 1}
    await ws.close()


async def test_too_many_connections_are_refused() -> None:
    limits = RateLimits(connections_per_5m=1)
    async with EmulatorServer(auto_tick=False, limits=limits) as server, aiohttp.ClientSession() as session:
        trader = Trader(server, session)
        async with trader.streams("/ws"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(server.urls.ws_url + "/ws")
        assert refused.value.status == 429


async def test_a_path_that_is_none_is_refused(trader: Trader) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await trader.http.ws_connect(trader.server.urls.ws_url + "/nowhere")


async def test_listening_can_pause(trader: Trader) -> None:
    await trader.server.stop_listening()
    async with aiohttp.ClientSession() as fresh:
        with pytest.raises(aiohttp.ClientConnectorError):
            await fresh.get(trader.server.urls.rest_url + "/api/v3/ping")
        await trader.server.resume_listening()
        async with fresh.get(trader.server.urls.rest_url + "/api/v3/ping") as answer:
            assert answer.status == 200


async def test_a_skewed_clock_refuses_honest_clients(trader: Trader) -> None:
    honest = trader.server.now_ms()
    trader.server.clock_skew_ms = 60_000
    _, shown = await trader.call("GET", "/api/v3/time", signed=False)
    assert shown["serverTime"] >= honest + 60_000
    query = f"timestamp={honest}&signature=00"
    status, refusal = await trader.call("GET", "/api/v3/account", query, signed=False)
    assert (status, refusal["code"]) == (400, -1021)


async def test_the_command_prints_one_line_of_json_and_stops_when_told(capsys: pytest.CaptureFixture[str]) -> None:
    stop = asyncio.Event()
    serving = asyncio.create_task(emulate(0, as_json=True, replay=None, stop=stop))
    shown = ""
    while not shown:
        await asyncio.sleep(0.001)
        shown = capsys.readouterr().out
    urls = json.loads(shown)
    assert urls.keys() == {"rest_url", "ws_url", "ws_api_url", "api_key", "api_secret"}
    async with aiohttp.ClientSession() as session, session.get(urls["rest_url"] + "/api/v3/ping") as answer:
        assert answer.status == 200
    stop.set()
    assert await serving == 0


async def settled(trader: Trader, *, market: int) -> None:
    """Wait until the server has taken in its market connections."""
    while trader.server.market_connections < market:
        await asyncio.sleep(0)
