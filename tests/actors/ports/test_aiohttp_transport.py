"""The real transport against real sockets that behave badly."""

import asyncio
import datetime
import gzip
import ssl
import tempfile
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from openoutcry.actors.ports import aiohttp_transport
from openoutcry.actors.ports.aiohttp_transport import AiohttpTransport
from openoutcry.actors.ports.transport import HttpResponse, NotSent, OutcomeUnknown, TransportError
from openoutcry.messages.rest import SignedRequest

SECRET = "signature=0123456789abcdef"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    transport = AiohttpTransport()
    yield transport
    await transport.close()


@asynccontextmanager
async def exchange(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_server(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


def request(method: str = "GET", path: str = "/api/v3/order", body: bytes = b"") -> SignedRequest:
    return SignedRequest(
        method=method,
        path_and_query=f"{path}?symbol=BTCUSDT&{SECRET}",
        body=body,
        headers=(("X-MBX-APIKEY", "the-key"),),
    )


def everything_shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error)


async def test_a_request_arrives_as_it_was_signed_and_its_answer_comes_back_whole(transport: AiohttpTransport) -> None:
    seen = []

    async def handler(arrived: web.Request) -> web.Response:
        seen.append((arrived.method, arrived.raw_path, arrived.headers["X-MBX-APIKEY"], await arrived.read()))
        return web.Response(status=418, headers={"Retry-After": "7", "Set-Cookie": "a=b"}, body=b"x" * 200_000)

    async with exchange(handler) as url:
        signed = SignedRequest(
            method="POST",
            path_and_query="/api/v3/order?symbol=%E5%B8%81%20x&signature=a%2Fb%3D%3D",
            body=b"side=BUY",
            headers=(("X-MBX-APIKEY", "the-key"),),
        )
        answers = [await transport.request(url, signed, 5.0) for _ in range(2)]
    assert seen == [("POST", signed.path_and_query, "the-key", b"side=BUY")] * 2
    assert answers[0].status == 418
    assert answers[0].headers["retry-after"] == "7"
    assert answers[0].body == b"x" * 200_000


async def test_a_redirect_is_an_answer_and_is_not_followed(transport: AiohttpTransport) -> None:
    paths = []

    async def handler(arrived: web.Request) -> web.Response:
        paths.append(arrived.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with exchange(handler) as url:
        assert (await transport.request(url, request(), 5.0)).status == 302
    assert paths == ["/api/v3/order"]


async def test_a_refused_connection_was_certainly_not_sent(transport: AiohttpTransport) -> None:
    async with raw_server(_silence) as url:
        pass
    with pytest.raises(NotSent, match=r"POST http://127\.0\.0\.1:\d+/api/v3/order: .*refused") as raised:
        await transport.request(url, request("POST"), 5.0)
    assert SECRET not in everything_shown(raised.value)


async def test_an_unknown_host_and_a_bad_url_were_certainly_not_sent(transport: AiohttpTransport) -> None:
    for url in ("http://no-such-host.invalid", "http://127.0.0.1:99999"):
        with pytest.raises(NotSent) as raised:
            await transport.request(url, request(), 5.0)
        assert SECRET not in everything_shown(raised.value)


async def test_an_answer_that_does_not_come_in_time_leaves_the_outcome_unknown(transport: AiohttpTransport) -> None:
    async with raw_server(_silence) as url:
        with pytest.raises(OutcomeUnknown, match="timed out") as raised:
            await transport.request(url, request("POST"), 0.1)
    assert SECRET not in everything_shown(raised.value)


async def test_a_connection_that_is_not_made_in_time_was_certainly_not_sent(transport: AiohttpTransport) -> None:
    async with raw_server(_silence) as url:
        # The server speaks no TLS and never answers the greeting: the wait ends while connecting.
        with pytest.raises(NotSent, match="not connected in time") as raised:
            await transport.request(url.replace("http:", "https:"), request("POST"), 0.2)
    assert SECRET not in everything_shown(raised.value)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
        b"garbage\r\n\r\n",
    ],
)
async def test_an_answer_that_breaks_off_leaves_the_outcome_unknown(transport: AiohttpTransport, answer: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with raw_server(talk) as url:
        with pytest.raises(OutcomeUnknown) as raised:
            await transport.request(url, request("POST"), 5.0)
    assert SECRET not in everything_shown(raised.value)
    assert "the-key" not in everything_shown(raised.value)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_no_request_leaves_twice_when_a_kept_connection_dies_under_it(
    transport: AiohttpTransport, method: str
) -> None:
    heard = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        await reader.readuntil(b"\r\n\r\n")
        heard += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")
        heard += 1  # and hang up without a word

    async with raw_server(talk) as url:
        assert (await transport.request(url, request(method), 5.0)).body == b"{}"
        with pytest.raises(OutcomeUnknown, match="closed the connection"):
            await transport.request(url, request(method), 5.0)
    assert heard == 2


async def test_an_answer_that_swells_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp_transport, "MAX_BODY_BYTES", 1_000_000)
    transport = AiohttpTransport()
    bomb = gzip.compress(b"\0" * 50_000_000)

    async def handler(_arrived: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with exchange(handler) as url:
        with pytest.raises(OutcomeUnknown, match="too large"):
            await transport.request(url, request(), 5.0)
        await transport.close()


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n3\r\n[1]\r\n0\r\n\r\n", b"{}[1]"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 25\r\n\r\n" + gzip.compress(b"small"),
            b"small",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
@pytest.mark.parametrize("piece", [1, 10_000])
async def test_an_answer_is_read_whole_in_every_form_and_however_it_is_cut(
    transport: AiohttpTransport, answer: bytes, body: bytes, piece: int
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            for start in range(0, len(answer), piece):
                writer.write(answer[start : start + piece])
                await writer.drain()
                await asyncio.sleep(0)
            if b"close" in answer:
                break

    async with raw_server(talk) as url:
        for _ in range(2):
            response = await transport.request(url, request("POST"), 5.0)
            assert (response.status // 100, response.body) == (2, body)


async def test_more_than_one_answer_to_a_request_ends_the_connection(transport: AiohttpTransport) -> None:
    heard = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        await reader.readuntil(b"\r\n\r\n")
        heard += 1
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%dHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx" % heard
        )
        await writer.drain()
        await reader.read()

    async with raw_server(talk) as url:
        assert [(await transport.request(url, request(), 5.0)).body for _ in range(2)] == [b"1", b"2"]


async def test_many_requests_at_once_share_a_bounded_number_of_connections(transport: AiohttpTransport) -> None:
    peers: set[object] = set()

    async def handler(arrived: web.Request) -> web.Response:
        assert arrived.transport is not None
        peers.add(arrived.transport.get_extra_info("peername"))
        return web.Response(text=arrived.query["number"])

    async def one(url: str, number: int) -> bytes:
        asked = SignedRequest(method="GET", path_and_query=f"/one?number={number}")
        return (await transport.request(url, asked, 5.0)).body

    async with exchange(handler) as url:
        bodies = await asyncio.gather(*(one(url, number) for number in range(300)))
    assert bodies == [str(number).encode() for number in range(300)]
    assert len(peers) <= 64


async def test_a_request_that_is_given_up_takes_its_connection_with_it(transport: AiohttpTransport) -> None:
    hung_up = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b""
        hung_up.set()

    async with raw_server(talk) as url:
        asking = asyncio.ensure_future(_awaited(transport.request(url, request("POST"), 5.0)))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.wait_for(hung_up.wait(), 5)
        assert asking.cancelled()


@pytest.mark.parametrize(
    "bad",
    [
        SignedRequest(method="GET", path_and_query="/a b"),
        SignedRequest(method="GET", path_and_query="/a\r\nX-Other: 1"),
        SignedRequest(method="GET", path_and_query="/a", headers=(("X-MBX-APIKEY", "key\r\nX-Other: 1"),)),
    ],
)
async def test_what_no_request_may_hold_is_not_sent(transport: AiohttpTransport, bad: SignedRequest) -> None:
    async with raw_server(_silence) as url:
        with pytest.raises(NotSent):
            await transport.request(url, bad, 5.0)


async def test_a_name_that_no_certificate_vouches_for_is_not_talked_to(transport: AiohttpTransport) -> None:
    """The server's certificate is made for nobody: the key in the header never leaves."""
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))

    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=self_signed(Path(folder)))
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(NotSent, match="certificate could not be verified"):
            await transport.request(url, request("POST"), 5.0)
        server.close()
        await server.wait_closed()
    assert heard == []


class Listener:
    """What a WebSocket brought, and why it closed."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.closings: list[str] = []
        self._news = asyncio.Event()

    def on_frame(self, frame: bytes) -> None:
        self.frames.append(frame)
        self._news.set()

    def on_closed(self, reason: str) -> None:
        self.closings.append(reason)
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 5)


async def test_frames_leave_and_arrive_in_order_and_closing_tells_once(transport: AiohttpTransport) -> None:
    async def handler(arrived: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(arrived)
        async for message in socket:
            await (socket.send_str(message.data) if int(message.data) % 2 else socket.send_bytes(message.data.encode()))
        return socket

    listener = Listener()
    async with exchange(handler) as url:
        websocket = await transport.open_websocket(url.replace("http", "ws"), listener.on_frame, listener.on_closed)
        for number in range(500):
            websocket.send(str(number))
        await listener.until(lambda: len(listener.frames) == 500)
        await websocket.close()
        await websocket.close()
        websocket.send("to nobody")
    assert listener.frames == [str(number).encode() for number in range(500)]
    assert listener.closings == ["closed by us"]


async def test_a_reader_that_lags_holds_the_exchange_back(transport: AiohttpTransport) -> None:
    sent = 0

    async def handler(arrived: web.Request) -> web.WebSocketResponse:
        nonlocal sent
        socket = web.WebSocketResponse()
        await socket.prepare(arrived)
        for number in range(400):
            await socket.send_bytes(number.to_bytes(2, "big") * 20_000)
            sent += 1
        await socket.receive()
        return socket

    frames: list[bytes] = []
    held = asyncio.Event()
    release: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    def on_frame(frame: bytes) -> asyncio.Future[None] | None:
        frames.append(frame[:2])
        if len(frames) == 400:
            done.set()
        if len(frames) == 10:
            held.set()
            return release
        return None

    async with exchange(handler) as url:
        await transport.open_websocket(url.replace("http", "ws"), on_frame, lambda _reason: None)
        await asyncio.wait_for(held.wait(), 5)
        while True:  # until the socket between the two is full
            before = sent
            await asyncio.sleep(0.05)
            if sent == before:
                break
        assert len(frames) == 10
        assert sent < 400
        release.set_result(None)
        await asyncio.wait_for(done.wait(), 5)
    assert frames == [number.to_bytes(2, "big") for number in range(400)]


async def test_pings_are_answered_and_are_signs_of_life_and_so_are_pongs(transport: AiohttpTransport) -> None:
    pongs: list[bytes] = []
    heard_pong = asyncio.Event()

    async def handler(arrived: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(arrived)
        await socket.ping(b"are you there")
        async for message in socket:
            if message.type is aiohttp.WSMsgType.PONG:
                pongs.append(bytes(message.data))
                heard_pong.set()
            elif message.type is aiohttp.WSMsgType.PING:
                await socket.pong(message.data)
                await socket.send_str("ponged")
        return socket

    listener = Listener()
    async with exchange(handler) as url:
        websocket = await transport.open_websocket(url.replace("http", "ws"), listener.on_frame, listener.on_closed)
        opened_ns = websocket.last_heard_ns
        await asyncio.wait_for(heard_pong.wait(), 5)
        after_ping_ns = websocket.last_heard_ns
        assert after_ping_ns > opened_ns
        websocket.ping()
        await listener.until(lambda: bool(listener.frames))
        assert websocket.last_heard_ns > after_ping_ns
    assert pongs == [b"are you there"]


async def test_the_exchanges_reason_for_closing_is_told(transport: AiohttpTransport) -> None:
    async def handler(arrived: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(arrived)
        await socket.send_str("last words")
        await socket.close(code=1008, message=b"Too many requests")
        return socket

    listener = Listener()
    async with exchange(handler) as url:
        await transport.open_websocket(url.replace("http", "ws"), listener.on_frame, listener.on_closed)
        await listener.until(lambda: bool(listener.closings))
    assert listener.frames == [b"last words"]
    assert listener.closings == ["closed by the exchange with code 1008 Too many requests"]


@pytest.mark.parametrize("is_reset", [True, False])
async def test_a_socket_that_is_torn_is_told_once(transport: AiohttpTransport, is_reset: bool) -> None:
    async def handler(arrived: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(arrived)
        assert arrived.transport is not None
        if is_reset:
            arrived.transport.abort()
        else:
            arrived.transport.close()
        return socket

    listener = Listener()
    async with exchange(handler) as url:
        websocket = await transport.open_websocket(url.replace("http", "ws"), listener.on_frame, listener.on_closed)
        await listener.until(lambda: bool(listener.closings))
        await websocket.close()
    assert listener.closings == ["connection lost"]


async def test_a_frame_that_is_too_large_ends_the_stream(
    transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiohttp_transport, "MAX_FRAME_BYTES", 1_000)

    async def handler(arrived: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(arrived)
        await socket.send_bytes(b"x" * 2_000)
        await socket.receive()
        return socket

    listener = Listener()
    async with exchange(handler) as url:
        await transport.open_websocket(url.replace("http", "ws"), listener.on_frame, listener.on_closed)
        await listener.until(lambda: bool(listener.closings))
    assert listener.frames == []
    assert "protocol error" in listener.closings[0]


async def test_a_websocket_that_does_not_open_was_not_sent_and_shows_no_query(transport: AiohttpTransport) -> None:
    async def refuses(_arrived: web.Request) -> web.Response:
        return web.Response(status=403)

    listener = Listener()
    async with exchange(refuses) as url, raw_server(_silence) as silent:
        socket_url = url.replace("http", "ws")
        for bad, text in (
            (socket_url, "403"),
            (silent.replace("http", "ws"), "timed out"),
            ("ws://127.0.0.1:1", "refused"),
            ("nonsense", "not a URL"),
        ):
            with pytest.raises(NotSent, match=text) as raised:
                await transport.open_websocket(f"{bad}/ws?{SECRET}", listener.on_frame, listener.on_closed, 0.2)
            assert SECRET not in everything_shown(raised.value)
    assert listener.closings == []


async def test_a_closed_transport_closes_what_was_open_and_opens_nothing() -> None:
    async def handler(arrived: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(arrived)
        await socket.receive()
        return socket

    transport = AiohttpTransport()
    listener = Listener()
    async with exchange(handler) as url:
        await transport.open_websocket(url.replace("http", "ws"), listener.on_frame, listener.on_closed)
        await transport.close()
        await transport.close()
        assert listener.closings == ["closed by us"]
        with pytest.raises(TransportError):
            await transport.request(url, request(), 1.0)


async def _awaited(work: Awaitable[HttpResponse]) -> HttpResponse:
    return await work


def self_signed(folder: Path) -> ssl.SSLContext:
    """The server's side of TLS with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def _silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()
