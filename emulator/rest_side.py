"""The REST side of the server: aiohttp requests to the pure `http`, and faults on requests."""

import asyncio
import logging
from collections.abc import Callable

import orjson
from aiohttp import web

from openoutcry.emulator.binance.errors import unknown_error
from openoutcry.emulator.binance.rest import HttpRequest, HttpResponse
from openoutcry.emulator.faults import (
    Answer,
    DelayAnswer,
    FaultPlan,
    ReplaceBody,
    RequestAction,
    ResetConnection,
    TruncateBody,
    When,
)
from openoutcry.emulator.http_answer import WholeAnswer
from openoutcry.emulator.sockets import reset

_logger = logging.getLogger(__name__)


class RestSide:
    """Answers REST requests."""

    def __init__(self, respond: Callable[[HttpRequest], HttpResponse], faults: FaultPlan) -> None:
        self._respond = respond
        self._faults = faults

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path, _, query = request.raw_path.partition("?")
        body = ""
        if request.body_exists:
            body = (await request.read()).decode("utf-8", "replace")
        asked = HttpRequest(
            request.method, path, query, body, request.headers.get("X-MBX-APIKEY"), request.remote or ""
        )
        if self._faults.requests:
            action = self._faults.on_request(asked)
            if action is not None:
                return await self._strike(action, request, asked)
        return WholeAnswer(self._answer(asked))

    def _answer(self, asked: HttpRequest) -> HttpResponse:
        try:
            return self._respond(asked)
        except Exception:
            _logger.exception("%s %s failed", asked.method, asked.path)
            return HttpResponse(500, orjson.dumps(unknown_error().body()))

    async def _strike(self, action: RequestAction, request: web.BaseRequest, asked: HttpRequest) -> web.StreamResponse:
        match action:
            case ResetConnection(when):
                if when is When.AFTER:
                    self._answer(asked)
                reset(request.transport)
                return WholeAnswer(None)
            case DelayAnswer(seconds, when):
                if when is When.BEFORE:
                    await asyncio.sleep(seconds)
                response = self._answer(asked)
                if when is When.AFTER:
                    await asyncio.sleep(seconds)
                return WholeAnswer(response)
            case Answer(status, content, headers, when):
                if when is When.AFTER:
                    self._answer(asked)
                return WholeAnswer(HttpResponse(status, content, headers))
            case TruncateBody(keep_bytes):
                return WholeAnswer(self._answer(asked), cut_at=keep_bytes)
            case ReplaceBody(content):
                response = self._answer(asked)
                return WholeAnswer(HttpResponse(response.status, content, response.headers))
