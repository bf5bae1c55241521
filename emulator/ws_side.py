"""The WebSocket side of the server: accepted WebSockets, pumped into their sessions."""

import asyncio

from aiohttp import WSCloseCode, WSMsgType, web

from openoutcry.emulator.binance.rest import HttpResponse
from openoutcry.emulator.http_answer import WholeAnswer
from openoutcry.emulator.sessions import Connection, TooManyMessages, WebSocketSessions
from openoutcry.emulator.sockets import ServerSocket


class WebSocketSide:
    """Accepts WebSockets and serves them until they end."""

    def __init__(self, sessions: WebSocketSessions) -> None:
        self._sessions = sessions

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one WebSocket to its end."""
        path, _, query = request.raw_path.partition("?")
        ip = request.remote or ""
        refusal = self._sessions.refusal(path, ip)
        if refusal is not None:
            return WholeAnswer(HttpResponse(refusal, b"{}"))
        response = web.WebSocketResponse(autoping=False, compress=False)
        await response.prepare(request)
        transport = request.transport
        if transport is None:
            return response
        socket = ServerSocket(response, transport, asyncio.get_running_loop().time())
        connection = self._sessions.open(socket, path, query, ip)
        try:
            await self._serve(socket, connection)
        except TooManyMessages:
            socket.close(WSCloseCode.POLICY_VIOLATION, b"Too many requests")
        finally:
            self._sessions.close(connection)
        return response

    async def _serve(self, socket: ServerSocket, connection: Connection) -> None:
        sessions = self._sessions
        async for message in socket.response:
            if socket.stalled:
                continue
            sessions.arrived(connection)
            if self._is_control(socket, message.type, message.data):
                continue
            busy = sessions.message(connection, message.data)
            if busy is not None:
                await busy

    @staticmethod
    def _is_control(socket: ServerSocket, kind: WSMsgType, data: bytes) -> bool:
        """Deal with pings, pongs and closing; False for a message proper."""
        if kind is WSMsgType.PING:
            socket.pong(data)
        elif kind is WSMsgType.PONG:
            socket.awaits_pong_since = None
        return kind not in (WSMsgType.TEXT, WSMsgType.BINARY)
