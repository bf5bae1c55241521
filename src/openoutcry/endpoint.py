"""Where the actor system meets the bot's coroutines: an address of its own, and answers as futures."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

from openoutcry.actors.runtime.requests import Answer, Ask
from openoutcry.actors.system import AsyncioSystemBase
from openoutcry.errors import ConnectorStopped


class Endpoint:
    """An address in the actor system that belongs to a bot's handle. Lives in the loop's thread."""

    def __init__(self, base: AsyncioSystemBase, receive: Callable[[Any, Any], None], name: str) -> None:
        self._base = base
        self._on_message = receive
        self._waiting: dict[int, _Waiting] = {}
        self._next_deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._next_id = 0
        self.address = base.open_endpoint(self._receive, name)

    def tell(self, target: Any, message: Any) -> None:
        """Send a message; answers and publications come to `receive`."""
        self._base.send_from(self.address, target, message)

    async def ask(
        self, target: Any, message: Any, timeout_s: float, on_answer: Callable[[Any], None] | None = None
    ) -> Any:
        """Ask and wait. `on_answer` sees the answer at once, before any message that was sent after it.

        Raises:
            TimeoutError: no answer within `timeout_s`.
            ConnectorStopped: `forget` was called before the answer.
        """
        self._next_id += 1
        request_id = self._next_id
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        waiting = _Waiting(loop.create_future(), on_answer, deadline, type(message))
        self._waiting[request_id] = waiting
        if deadline < self._next_deadline:
            self._look_at(deadline)
        self._base.send_from(self.address, target, Ask(request_id, message))
        try:
            return await waiting.future
        finally:
            self._waiting.pop(request_id, None)

    def forget(self, why: str, kinds: frozenset[type] | None = None) -> None:
        """Whoever waits for an answer, to questions of these kinds or to any, hears that none will come."""
        for waiting in self._waiting.values():
            if not waiting.future.done() and (kinds is None or waiting.kind in kinds):
                waiting.future.set_exception(ConnectorStopped(why))

    def close(self) -> None:
        """Leave the actor system. Idempotent."""
        self.forget("the runtime is closed")
        if self._timer is not None:
            self._timer.cancel()
        self._base.close_endpoint(self.address)

    def _receive(self, message: Any, sender: Any) -> None:
        if type(message) is not Answer:
            self._on_message(message, sender)
            return
        waiting = self._waiting.get(message.request_id)
        if waiting is not None:
            if waiting.on_answer is not None:
                waiting.on_answer(message.body)
            if not waiting.future.done():
                waiting.future.set_result(message.body)

    def _look_at(self, deadline: float) -> None:
        """One timer for all questions, at the earliest deadline: one for each costs more than the question."""
        self._next_deadline = deadline
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(deadline, self._look_for_timeouts)

    def _look_for_timeouts(self) -> None:
        now = asyncio.get_running_loop().time()
        self._next_deadline = math.inf
        for waiting in self._waiting.values():
            if waiting.deadline <= now:
                if not waiting.future.done():
                    waiting.future.set_exception(TimeoutError(f"no answer to {waiting.kind.__name__} in time"))
            else:
                self._next_deadline = min(self._next_deadline, waiting.deadline)
        if self._next_deadline < math.inf:
            self._look_at(self._next_deadline)


class _Waiting:
    """A question that waits for its answer."""

    __slots__ = ("deadline", "future", "kind", "on_answer")

    def __init__(
        self, future: asyncio.Future[Any], on_answer: Callable[[Any], None] | None, deadline: float, kind: type
    ) -> None:
        self.future = future
        self.on_answer = on_answer
        self.deadline = deadline
        self.kind = kind
