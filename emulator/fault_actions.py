"""What a fault does: to requests, to new connections, to frames of market streams and events of user streams."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


class When(StrEnum):
    """Whether the exchange acts on a request before its fault strikes."""

    BEFORE = "BEFORE"
    """The request is lost: nothing happened."""
    AFTER = "AFTER"
    """The answer is lost: the order is in."""


@dataclass(frozen=True, slots=True)
class ResetConnection:
    """The TCP connection is reset (RST) in place of an answer."""

    when: When = When.BEFORE


@dataclass(frozen=True, slots=True)
class DelayAnswer:
    """The request waits before it is handled, or its answer after."""

    seconds: float
    when: When = When.AFTER


@dataclass(frozen=True, slots=True)
class Answer:
    """Another answer than the exchange's own. On the WebSocket API the body is the `error` object."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    when: When = When.BEFORE


@dataclass(frozen=True, slots=True)
class TruncateBody:
    """The answer's head promises the whole body; the connection ends after some of it."""

    keep_bytes: int = 10


@dataclass(frozen=True, slots=True)
class ReplaceBody:
    """The answer carries another body, such as one that is no JSON."""

    body: bytes = b'{"code":'


@dataclass(frozen=True, slots=True)
class RefuseConnection:
    """A new TCP connection is reset at once."""


@dataclass(frozen=True, slots=True)
class RejectHandshake:
    """A WebSocket handshake is answered with an HTTP status."""

    status: int = 503


@dataclass(frozen=True, slots=True)
class DropConnection:
    """The connections that would get the frame are cut, without a WebSocket close."""


@dataclass(frozen=True, slots=True)
class Stall:
    """The connections that would get the frame stay open and fall silent: no frames, no answers, no pongs."""


@dataclass(frozen=True, slots=True)
class Skip:
    """The frame is lost: a gap in a diff stream, a lost event in a user stream."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The frame comes twice."""


@dataclass(frozen=True, slots=True)
class SwapWithNext:
    """The frame comes after the next one of its stream."""


@dataclass(frozen=True, slots=True)
class Delay:
    """The frame comes later; frames behind it may overtake it."""

    seconds: float


@dataclass(frozen=True, slots=True)
class CrossBook:
    """A depth diff or bookTicker whose best bid lies above its best ask."""


@dataclass(frozen=True, slots=True)
class Malform:
    """The frame is cut in the middle of its JSON."""


@dataclass(frozen=True, slots=True)
class Inject:
    """Another payload goes ahead of the frame: an event nobody knows, by default."""

    payload: bytes = b'{"e":"somethingNew","E":1,"x":[1,2,3]}'


@dataclass(frozen=True, slots=True)
class TerminateStream:
    """`eventStreamTerminated` in place of the event: the user stream is over, the connection stays."""


@dataclass(frozen=True, slots=True)
class AnnounceShutdown:
    """`serverShutdown` ahead of the frame, then the connection closes."""


RequestAction: TypeAlias = ResetConnection | DelayAnswer | Answer | TruncateBody | ReplaceBody
ConnectAction: TypeAlias = RefuseConnection | RejectHandshake
FrameAction: TypeAlias = (
    DropConnection
    | Stall
    | Skip
    | Duplicate
    | SwapWithNext
    | Delay
    | CrossBook
    | Malform
    | Inject
    | TerminateStream
    | AnnounceShutdown
)
