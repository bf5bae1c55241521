"""What every actor of a connector is built on: handlers by message type, requests, timers, coroutines, let it crash."""

from openoutcry.actors.runtime.actor import ComponentActor, LastingFailure
from openoutcry.actors.runtime.backoff import Backoff
from openoutcry.actors.runtime.environment import Environment, Start, StartOutside
from openoutcry.actors.runtime.handlers import handles
from openoutcry.actors.runtime.held_socket import HeldSocket
from openoutcry.actors.runtime.requests import ReplyTo, RequestFailed, RequestFailure
from openoutcry.actors.runtime.timers import Timer

__all__ = [
    "Backoff",
    "ComponentActor",
    "Environment",
    "HeldSocket",
    "LastingFailure",
    "ReplyTo",
    "RequestFailed",
    "RequestFailure",
    "Start",
    "StartOutside",
    "Timer",
    "handles",
]
