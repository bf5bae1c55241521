"""Where the actor system meets the bot's coroutines: an address of its own, and answers as futures."""

import asyncio
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
        self._waiting: dict[int, tuple[asyncio.Future[Any], Callable[[Any], None] | None]] = {}
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
            ConnectorStopped: `forget_all` was called before the answer.
        """
        self._next_id += 1
        request_id = self._next_id
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting[request_id] = (future, on_answer)
        timer = loop.call_later(timeout_s, self._timed_out, request_id, type(message).__name__, timeout_s)
        self._base.send_from(self.address, target, Ask(request_id, message))
        try:
            return await future
        finally:
            timer.cancel()
            self._waiting.pop(request_id, None)

    def forget_all(self, why: str) -> None:
        """Whoever waits for an answer hears that none will come."""
        for future, _ in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectorStopped(why))

    def close(self) -> None:
        """Leave the actor system. Idempotent."""
        self.forget_all("the runtime is closed")
        self._base.close_endpoint(self.address)

    def _receive(self, message: Any, sender: Any) -> None:
        if type(message) is not Answer:
            self._on_message(message, sender)
            return
        waiting = self._waiting.get(message.request_id)
        if waiting is not None:
            future, on_answer = waiting
            if on_answer is not None:
                on_answer(message.body)
            if not future.done():
                future.set_result(message.body)

    def _timed_out(self, request_id: int, what: str, timeout_s: float) -> None:
        waiting = self._waiting.get(request_id)
        if waiting is not None and not waiting[0].done():
            waiting[0].set_exception(TimeoutError(f"no answer to {what} within {timeout_s:g} s"))
