"""Every fault, seen by a client over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType
from emulator_bench import Trader

from openoutcry.emulator import faults
from openoutcry.emulator.faults import (
    AnnounceShutdown,
    Answer,
    Connections,
    CrossBook,
    Delay,
    DelayAnswer,
    DropConnection,
    Duplicate,
    Fault,
    Inject,
    Malform,
    MarketFrames,
    RefuseConnection,
    RejectHandshake,
    ReplaceBody,
    Requests,
    ResetConnection,
    Skip,
    Stall,
    SwapWithNext,
    TerminateStream,
    TruncateBody,
    UserEvents,
    When,
    WsApiRequests,
)
from openoutcry.emulator.server import TEST_ACCOUNT

ORDERS = Requests("POST", "/api/v3/order")
DIFFS = MarketFrames("btcusdt@depth*")


def open_orders(trader: Trader) -> list[str]:
    return [order.client_order_id for order in trader.server.exchange.open_orders(TEST_ACCOUNT)]


# REST


@pytest.mark.parametrize(("when", "accepted"), [(When.BEFORE, []), (When.AFTER, ["mine"])])
async def test_a_reset_loses_the_request_or_the_answer(trader: Trader, when: When, accepted: list[str]) -> None:
    handle = trader.server.faults.add(Fault(ORDERS, ResetConnection(when)))
    with pytest.raises(aiohttp.ClientConnectionError):
        await trader.buy("mine")
    assert open_orders(trader) == accepted
    assert handle.hits == 1
    assert (await trader.buy("other"))[0] == 200


@pytest.mark.parametrize(("when", "accepted"), [(When.BEFORE, []), (When.AFTER, ["mine"])])
@pytest.mark.parametrize(
    ("make", "status"),
    [(faults.unknown_error, 503), (faults.unexpected_response, 500), (faults.backend_timeout, 504)],
)
async def test_an_outcome_may_stay_unknown(
    trader: Trader, make: Any, status: int, when: When, accepted: list[str]
) -> None:
    trader.server.faults.add(Fault(ORDERS, make(when)))
    query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=50000&newClientOrderId=mine"
    assert (await trader.call_raw("POST", "/api/v3/order", query))[0] == status
    assert open_orders(trader) == accepted


async def test_limits_bans_and_overload_come_with_their_headers(trader: Trader) -> None:
    for action in (faults.too_many_requests(3), faults.banned(1, 120), faults.server_busy()):
        trader.server.faults.add(Fault(Requests(path="/api/v3/*"), action))
    answers = [await trader.call_raw("GET", "/api/v3/ping", signed=False) for _ in range(4)]
    assert [(status, headers.get("Retry-After")) for status, _, headers in answers] == [
        (429, "3"),
        (418, "120"),
        (503, None),
        (200, None),
    ]


async def test_maintenance_lasts_until_it_is_removed(trader: Trader) -> None:
    handle = trader.server.faults.add(faults.maintenance())
    assert [(await trader.call("GET", "/api/v3/ping", signed=False))[0] for _ in range(3)] == [503] * 3
    handle.remove()
    assert (await trader.call("GET", "/api/v3/ping", signed=False))[0] == 200
    assert handle.hits == 3


async def test_a_body_may_be_cut_or_be_no_json(trader: Trader) -> None:
    trader.server.faults.add(Fault(Requests(), TruncateBody(5)))
    with pytest.raises(aiohttp.ClientPayloadError):
        await trader.call("GET", "/api/v3/time", signed=False)
    trader.server.faults.add(Fault(Requests(), ReplaceBody(b"<html>")))
    assert (await trader.call_raw("GET", "/api/v3/time", signed=False))[1] == b"<html>"


async def test_a_fault_can_wait_for_its_turn(trader: Trader) -> None:
    trader.server.faults.add(Fault(Requests(predicate=lambda asked: "time" in asked.path), Answer(500, b"{}"), skip=1))
    paths = ["time", "ping", "time", "time"]
    statuses = [(await trader.call("GET", f"/api/v3/{path}", signed=False))[0] for path in paths]
    assert statuses == [200, 200, 500, 200]


async def test_an_answer_may_come_after_the_events_it_caused(trader: Trader) -> None:
    ws = await trader.user_stream()
    trader.server.faults.add(Fault(ORDERS, DelayAnswer(0.05, When.AFTER)))
    answering = asyncio.create_task(trader.buy("mine"))
    assert (await ws.receive_json(timeout=5))["event"]["c"] == "mine"
    assert not answering.done()
    assert (await answering)[0] == 200
    await ws.close()


async def test_a_request_may_wait_before_it_is_handled(trader: Trader) -> None:
    trader.server.faults.add(Fault(ORDERS, DelayAnswer(0.05, When.BEFORE)))
    answering = asyncio.create_task(trader.buy("mine"))
    await trader.call("GET", "/api/v3/ping", signed=False)
    assert open_orders(trader) == []
    assert (await answering)[0] == 200


async def test_new_connections_may_be_refused(trader: Trader) -> None:
    handle = trader.server.faults.add(Fault(Connections(), RefuseConnection()))
    with pytest.raises(aiohttp.ClientConnectionError):
        async with aiohttp.ClientSession() as fresh:
            await fresh.post(trader.server.urls.rest_url + "/api/v3/ping")
    assert handle.hits == 1
    trader.server.faults.add(Fault(Connections("/ws-api/*"), RejectHandshake(403)))
    async with trader.streams("/ws"):
        pass
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await trader.user_stream()


def test_a_fault_that_can_not_happen_there_is_refused() -> None:
    with pytest.raises(TypeError, match="CrossBook can't happen to Requests"):
        Fault(Requests(), CrossBook())


# The WebSocket API


async def test_an_order_by_websocket_may_lose_its_answer(trader: Trader) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    order |= {"quantity": "0.01", "price": "50000", "newClientOrderId": "mine"}
    plan = trader.server.faults
    plan.add(Fault(WsApiRequests("order.*"), faults.backend_timeout(When.AFTER)))
    plan.add(Fault(WsApiRequests("order.*"), ResetConnection(When.AFTER)))
    async with trader.http.ws_connect(trader.server.urls.ws_api_url) as ws:
        answer = await trader.ask(ws, "order.place", order)
        assert (answer["id"], answer["status"], answer["error"]["code"]) == (7, 504, -1007)
        with pytest.raises((TypeError, aiohttp.ClientConnectionError)):  # closed in place of an answer
            await trader.ask(ws, "order.place", order | {"newClientOrderId": "other"})
    assert open_orders(trader) == ["mine", "other"]


# Market streams


@pytest.fixture
async def diffs(trader: Trader) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with trader.streams("/ws/btcusdt@depth@100ms") as ws:
        while not trader.server.market_connections:
            await asyncio.sleep(0)
        yield ws


def tick(trader: Trader, times: int) -> None:
    for _ in range(times):
        trader.server.tick()


async def test_a_frame_may_be_lost(trader: Trader, diffs: aiohttp.ClientWebSocketResponse) -> None:
    trader.server.faults.add(Fault(DIFFS, Skip(), skip=1))
    tick(trader, 3)
    first, second = await diffs.receive_json(timeout=5), await diffs.receive_json(timeout=5)
    assert second["U"] > first["u"] + 1


async def test_a_frame_may_come_twice(trader: Trader, diffs: aiohttp.ClientWebSocketResponse) -> None:
    trader.server.faults.add(Fault(DIFFS, Duplicate()))
    tick(trader, 1)
    assert await diffs.receive_json(timeout=5) == await diffs.receive_json(timeout=5)


async def test_frames_may_change_places(trader: Trader, diffs: aiohttp.ClientWebSocketResponse) -> None:
    trader.server.faults.add(Fault(DIFFS, SwapWithNext()))
    tick(trader, 2)
    first, second = await diffs.receive_json(timeout=5), await diffs.receive_json(timeout=5)
    assert first["U"] == second["u"] + 1


async def test_a_frame_may_be_late(trader: Trader, diffs: aiohttp.ClientWebSocketResponse) -> None:
    trader.server.faults.add(Fault(DIFFS, Delay(0.01)))
    tick(trader, 2)
    first, second = await diffs.receive_json(timeout=5), await diffs.receive_json(timeout=5)
    assert first["U"] == second["u"] + 1


async def test_a_book_may_cross(trader: Trader, diffs: aiohttp.ClientWebSocketResponse) -> None:
    trader.server.faults.add(Fault(DIFFS, CrossBook()))
    tick(trader, 1)
    best = trader.server.exchange.best("BTCUSDT")
    assert best.ask is not None
    crossed = await diffs.receive_json(timeout=5)
    assert max(float(price) for price, _ in crossed["b"]) > best.ask[0]


async def test_a_frame_may_be_broken_or_unknown(trader: Trader, diffs: aiohttp.ClientWebSocketResponse) -> None:
    trader.server.faults.add(Fault(DIFFS, Malform()))
    trader.server.faults.add(Fault(DIFFS, Inject()))
    tick(trader, 2)
    with pytest.raises(json.JSONDecodeError):
        await diffs.receive_json(timeout=5)
    assert (await diffs.receive_json(timeout=5))["e"] == "somethingNew"
    assert (await diffs.receive_json(timeout=5))["e"] == "depthUpdate"


async def test_a_connection_may_drop(trader: Trader, diffs: aiohttp.ClientWebSocketResponse) -> None:
    trader.server.faults.add(Fault(DIFFS, DropConnection()))
    tick(trader, 1)
    assert (await diffs.receive(timeout=5)).type in (WSMsgType.CLOSED, WSMsgType.ERROR)


async def test_a_stalled_connection_is_open_and_silent(trader: Trader, diffs: aiohttp.ClientWebSocketResponse) -> None:
    trader.server.faults.add(Fault(DIFFS, Stall()))
    tick(trader, 2)
    await diffs.ping(b"anybody?")
    await diffs.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
    async with trader.streams("/ws/btcusdt@depth@100ms") as other:
        while trader.server.market_connections < 2:
            await asyncio.sleep(0)
        tick(trader, 1)
        assert (await other.receive_json(timeout=5))["e"] == "depthUpdate"
        with pytest.raises(TimeoutError):
            await diffs.receive(timeout=0.05)
    assert not diffs.closed


async def test_a_shutdown_may_strike_at_a_frame(trader: Trader, diffs: aiohttp.ClientWebSocketResponse) -> None:
    trader.server.faults.add(Fault(DIFFS, AnnounceShutdown()))
    tick(trader, 1)
    assert (await diffs.receive_json(timeout=5))["e"] == "serverShutdown"


# User streams


async def test_events_may_be_lost_doubled_late_and_broken(trader: Trader) -> None:
    ws = await trader.user_stream()
    reports = UserEvents("executionReport")
    for action in (Skip(), Duplicate(), Delay(0.01), SwapWithNext(), Inject(), Malform()):
        trader.server.faults.add(Fault(reports, action))
    for name in ("lost", "twice", "late", "swapped", "injected", "broken"):
        await trader.buy(name)
    frames = [(await ws.receive(timeout=5)).data for _ in range(13)]
    told = []
    for frame in frames:
        try:
            event = json.loads(frame)["event"]
        except json.JSONDecodeError:
            told.append("broken")
        else:
            told.append(event.get("c", event["e"]))
    assert told[:4] == ["outboundAccountPosition", "twice", "twice", "outboundAccountPosition"]
    assert sorted(told[4:]) == sorted(
        ["outboundAccountPosition"] * 4 + ["late", "swapped", "somethingNew", "injected", "broken"]
    )
    assert told.index("swapped") > told.index("outboundAccountPosition", 4)
    await ws.close()


@pytest.mark.parametrize("action", [DropConnection(), AnnounceShutdown(), TerminateStream(), Stall()])
async def test_a_user_stream_may_end(trader: Trader, action: Any) -> None:
    ws = await trader.user_stream()
    trader.server.faults.add(Fault(UserEvents(), action))
    await trader.buy("mine")
    if isinstance(action, Stall):
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=0.05)
    elif isinstance(action, DropConnection):
        assert (await ws.receive(timeout=5)).type in (WSMsgType.CLOSED, WSMsgType.ERROR)
    else:
        expected = "serverShutdown" if isinstance(action, AnnounceShutdown) else "eventStreamTerminated"
        assert (await ws.receive_json(timeout=5))["event"]["e"] == expected
    await ws.close()
