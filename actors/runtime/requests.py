"""Correlated requests: a question carries an id, its answer carries it back, and an answer never comes by luck.

Thespian's own `ask` returns the next message, whoever sent it; and inside an actor there is none.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec


class Ask(msgspec.Struct, frozen=True):
    """A question on its way. The receiver's handler sees the body, and a `ReplyTo` in place of the sender."""

    request_id: int
    body: Any
    reply_to: Any = None
    """Where the answer goes when not to the sender: the question was forwarded."""


class Answer(msgspec.Struct, frozen=True):
    """The answer to the question of that id."""

    request_id: int
    body: Any


class ReplyTo(msgspec.Struct, frozen=True):
    """Stands in the sender's place when a message is a question: hand it to `ComponentActor.reply`."""

    address: Any
    request_id: int


class RequestFailure(StrEnum):
    """Why there is no answer."""

    TIMED_OUT = "timed out"
    PEER_DOWN = "the peer went down before it answered"
    NOT_THERE = "there is no such peer now"


class RequestFailed(msgspec.Struct, frozen=True):
    """Takes the place of an answer. Says nothing of what the peer did before it went."""

    failure: RequestFailure
    role: str
    message_type: str

    def __str__(self) -> str:
        return f"{self.message_type} to {self.role}: {self.failure.value}"


class PendingRequest:
    """A question that waits for its answer."""

    __slots__ = ("body", "deadline", "resend", "role", "then")

    def __init__(self, role: str, body: Any, then: Callable[[Any], None], resend: bool, deadline: float) -> None:
        self.role = role
        self.body = body
        self.then = then
        self.resend = resend
        self.deadline = deadline
        """By the loop's clock."""

    def failed(self, failure: RequestFailure) -> RequestFailed:
        """What to hand to `then` in place of an answer."""
        return RequestFailed(failure, self.role, type(self.body).__name__)


class LookForTimeouts(msgspec.Struct, frozen=True):
    """From a timer to the actor itself: the earliest deadline of its requests has come.

    One timer for all of an actor's requests: setting and cancelling one for each costs more than the request.
    """


class RequestUnsendable(msgspec.Struct, frozen=True):
    """From the actor to itself: the peer of a request was not there. Keeps `then` out of the asking handler."""

    request_id: int
