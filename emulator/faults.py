"""Faults by script: what goes wrong, where, from which occurrence on, and how often. Declarative; no I/O.

A fault is a target (which requests, connections, frames or events) and an action (what happens to them):

    handle = server.faults.add(Fault(Requests("POST", "/api/v3/order"), ResetConnection(When.AFTER)))
    ...
    assert handle.hits == 1
"""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

import orjson

from openoutcry.emulator.binance.rest import HttpRequest
from openoutcry.emulator.fault_actions import (
    AnnounceShutdown,
    Answer,
    ConnectAction,
    CrossBook,
    Delay,
    DelayAnswer,
    DropConnection,
    Duplicate,
    FrameAction,
    Inject,
    Malform,
    RefuseConnection,
    RejectHandshake,
    ReplaceBody,
    RequestAction,
    ResetConnection,
    Skip,
    Stall,
    SwapWithNext,
    TerminateStream,
    TruncateBody,
    When,
)

__all__ = [
    "Action",
    "AnnounceShutdown",
    "Answer",
    "ConnectAction",
    "Connections",
    "CrossBook",
    "Delay",
    "DelayAnswer",
    "DropConnection",
    "Duplicate",
    "Fault",
    "FaultHandle",
    "FaultPlan",
    "FrameAction",
    "Inject",
    "Malform",
    "MarketFrames",
    "RefuseConnection",
    "RejectHandshake",
    "ReplaceBody",
    "RequestAction",
    "Requests",
    "ResetConnection",
    "Skip",
    "Stall",
    "SwapWithNext",
    "Target",
    "TerminateStream",
    "TruncateBody",
    "UserEvents",
    "When",
    "WsApiRequests",
    "backend_timeout",
    "banned",
    "maintenance",
    "server_busy",
    "too_many_requests",
    "unexpected_response",
    "unknown_error",
]

# Where it happens


@dataclass(frozen=True, slots=True)
class Requests:
    """REST requests. None matches any; `path` takes `*` and `?`."""

    method: str | None = None
    path: str | None = None
    predicate: Callable[[HttpRequest], bool] | None = None

    def matches(self, request: HttpRequest) -> bool:
        """Whether the request is meant."""
        return (
            (self.method is None or self.method == request.method)
            and (self.path is None or fnmatchcase(request.path, self.path))
            and (self.predicate is None or self.predicate(request))
        )


@dataclass(frozen=True, slots=True)
class WsApiRequests:
    """Requests on the WebSocket API by method ("order.place"; takes `*` and `?`). None matches any."""

    method: str | None = None

    def matches(self, method: str) -> bool:
        """Whether the request is meant."""
        return self.method is None or fnmatchcase(method, self.method)


@dataclass(frozen=True, slots=True)
class Connections:
    """New connections: TCP for `RefuseConnection`, else WebSocket handshakes by path (takes `*` and `?`)."""

    path: str | None = None

    def matches(self, path: str) -> bool:
        """Whether the connection is meant."""
        return self.path is None or fnmatchcase(path, self.path)


@dataclass(frozen=True, slots=True)
class MarketFrames:
    """Frames of market streams by stream name ("btcusdt@depth*"), on all connections that subscribed it."""

    stream: str | None = None
    predicate: Callable[[bytes], bool] | None = None

    def matches(self, stream: str, payload: bytes) -> bool:
        """Whether the frame is meant."""
        return (self.stream is None or fnmatchcase(stream, self.stream)) and (
            self.predicate is None or self.predicate(payload)
        )


@dataclass(frozen=True, slots=True)
class UserEvents:
    """Events of user streams by type ("executionReport"). None matches any."""

    event: str | None = None

    def matches(self, event: str) -> bool:
        """Whether the event is meant."""
        return self.event is None or self.event == event


Target: TypeAlias = Requests | WsApiRequests | Connections | MarketFrames | UserEvents
Action: TypeAlias = RequestAction | ConnectAction | FrameAction


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule: it lets `skip` occurrences pass, strikes the next `count` (None: all), then it is spent."""

    target: Target
    action: Action
    skip: int = 0
    count: int | None = 1

    def __post_init__(self) -> None:
        allowed = _ACTIONS[type(self.target)]
        if not isinstance(self.action, allowed):
            names = ", ".join(kind.__name__ for kind in allowed)
            raise TypeError(
                f"{type(self.action).__name__} can't happen to {type(self.target).__name__}; what can: {names}"
            )


class FaultHandle:
    """A rule at work."""

    def __init__(self, plan: "FaultPlan", fault: Fault) -> None:
        self.fault = fault
        self.hits = 0
        """How often it struck."""
        self._plan = plan
        self._passed = 0

    def remove(self) -> None:
        """End the fault. A spent one may be removed as well."""
        self._plan.remove(self)

    def strikes(self) -> bool:
        """Count one occurrence, and say whether the fault strikes it."""
        if self._passed < self.fault.skip:
            self._passed += 1
            return False
        if self.fault.count is not None and self.hits >= self.fault.count:
            return False
        self.hits += 1
        if self.hits == self.fault.count:
            self.remove()
        return True


class FaultPlan:
    """All rules at work. The first that strikes an occurrence decides it."""

    def __init__(self) -> None:
        self.requests: list[FaultHandle] = []
        self.ws_api_requests: list[FaultHandle] = []
        self.connections: list[FaultHandle] = []
        self.market_frames: list[FaultHandle] = []
        self.user_events: list[FaultHandle] = []

    def add(self, fault: Fault) -> FaultHandle:
        """Put a rule to work."""
        handle = FaultHandle(self, fault)
        self._list(fault.target).append(handle)
        return handle

    def remove(self, handle: FaultHandle) -> None:
        """Take a rule away."""
        rules = self._list(handle.fault.target)
        if handle in rules:
            rules.remove(handle)

    def clear(self) -> None:
        """Take all rules away."""
        for rules in (self.requests, self.ws_api_requests, self.connections, self.market_frames, self.user_events):
            rules.clear()

    def on_request(self, request: HttpRequest) -> RequestAction | None:
        """What happens to a REST request."""
        for handle in tuple(self.requests):
            target, action = handle.fault.target, handle.fault.action
            if (
                isinstance(target, Requests)
                and isinstance(action, RequestAction)
                and target.matches(request)
                and handle.strikes()
            ):
                return action
        return None

    def on_ws_api_request(self, method: str) -> RequestAction | None:
        """What happens to a request on the WebSocket API."""
        for handle in tuple(self.ws_api_requests):
            target, action = handle.fault.target, handle.fault.action
            if (
                isinstance(target, WsApiRequests)
                and isinstance(action, RequestAction)
                and target.matches(method)
                and handle.strikes()
            ):
                return action
        return None

    def on_accept(self) -> bool:
        """Whether a new TCP connection is refused."""
        return any(
            isinstance(handle.fault.action, RefuseConnection) and handle.strikes() for handle in tuple(self.connections)
        )

    def on_handshake(self, path: str) -> RejectHandshake | None:
        """What happens to a WebSocket handshake."""
        for handle in tuple(self.connections):
            target, action = handle.fault.target, handle.fault.action
            if (
                isinstance(target, Connections)
                and isinstance(action, RejectHandshake)
                and target.matches(path)
                and handle.strikes()
            ):
                return action
        return None

    def on_market_frame(self, stream: str, payload: bytes) -> FrameAction | None:
        """What happens to a frame of a market stream."""
        for handle in tuple(self.market_frames):
            target, action = handle.fault.target, handle.fault.action
            if (
                isinstance(target, MarketFrames)
                and isinstance(action, FrameAction)
                and target.matches(stream, payload)
                and handle.strikes()
            ):
                return action
        return None

    def on_user_event(self, event: str) -> FrameAction | None:
        """What happens to an event of a user stream."""
        for handle in tuple(self.user_events):
            target, action = handle.fault.target, handle.fault.action
            if (
                isinstance(target, UserEvents)
                and isinstance(action, FrameAction)
                and target.matches(event)
                and handle.strikes()
            ):
                return action
        return None

    def _list(self, target: Target) -> list[FaultHandle]:
        return {
            Requests: self.requests,
            WsApiRequests: self.ws_api_requests,
            Connections: self.connections,
            MarketFrames: self.market_frames,
            UserEvents: self.user_events,
        }[type(target)]


_REQUEST_ACTIONS: Final = (ResetConnection, DelayAnswer, Answer, TruncateBody, ReplaceBody)
_COMMON_FRAME_ACTIONS: Final = (DropConnection, Stall, Skip, Duplicate, SwapWithNext, Delay, Malform, Inject)
_ACTIONS: Final[dict[type[object], tuple[type[object], ...]]] = {
    Requests: _REQUEST_ACTIONS,
    WsApiRequests: _REQUEST_ACTIONS,
    Connections: (RefuseConnection, RejectHandshake),
    MarketFrames: (*_COMMON_FRAME_ACTIONS, CrossBook, AnnounceShutdown),
    UserEvents: (*_COMMON_FRAME_ACTIONS, TerminateStream, AnnounceShutdown),
}

# Answers as Binance words them


def _error(code: int, message: str) -> bytes:
    return orjson.dumps({"code": code, "msg": message})


def too_many_requests(retry_after_s: int = 1) -> Answer:
    """429 with Retry-After."""
    return Answer(
        429,
        _error(-1003, "Too much request weight used; current limit is 6000 request weight per 1 MINUTE."),
        {"Retry-After": str(retry_after_s)},
    )


def banned(until_ms: int, retry_after_s: int = 120) -> Answer:
    """418 with Retry-After."""
    return Answer(
        418,
        _error(-1003, f"Way too much request weight used; IP banned until {until_ms}."),
        {"Retry-After": str(retry_after_s)},
    )


def unknown_error(when: When) -> Answer:
    """503 of which nobody knows whether the request was executed."""
    return Answer(503, b"Unknown error, please check your request or try again later.", when=when)


def unexpected_response(when: When) -> Answer:
    """-1006: execution status unknown."""
    return Answer(
        500,
        _error(-1006, "An unexpected response was received from the message bus. Execution status unknown."),
        when=when,
    )


def backend_timeout(when: When) -> Answer:
    """-1007: execution status unknown."""
    return Answer(
        504,
        _error(
            -1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
        ),
        when=when,
    )


def server_busy() -> Answer:
    """-1008: overloaded, and surely not executed."""
    return Answer(503, _error(-1008, "Server is currently overloaded with other requests. Please try again later."))


def maintenance() -> Fault:
    """Every REST request answers 503, until the handle is removed."""
    return Fault(Requests(), Answer(503, _error(-1016, "This service is no longer available.")), count=None)
