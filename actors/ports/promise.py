"""A result that comes later, told to its listener within the very callback that brought it.

A future tells its listeners one turn of the loop later, and a task takes a turn to begin with: an order's answer has no
turn to give away. Awaiting works too, for whoever is a coroutine.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeAlias, TypeVar, cast

_Result = TypeVar("_Result")


class Promise(Generic[_Result]):
    """One result or error, one listener. To be used in the loop's thread alone."""

    __slots__ = ("_error", "_is_settled", "_listener", "_on_cancel", "_result")

    def __init__(self, on_cancel: Callable[[], None] | None = None) -> None:
        """`on_cancel` is called when nobody wants the result any more."""
        self._on_cancel = on_cancel
        self._listener: Callable[[_Result | None, BaseException | None], None] | None = None
        self._is_settled = False
        self._result: _Result | None = None
        self._error: BaseException | None = None

    def settle(self, result: _Result | None, error: BaseException | None = None) -> None:
        """Say how it ended. Only the first word counts."""
        if self._is_settled:
            return
        self._is_settled = True
        self._on_cancel = None
        listener, self._listener = self._listener, None
        if listener is not None:
            listener(result, error)
        else:
            self._result, self._error = result, error

    def listen(self, listener: Callable[[_Result | None, BaseException | None], None]) -> None:
        """Have the result and the error (one of them None) told: at once if it is there, else when it comes."""
        if self._is_settled:
            listener(self._result, self._error)
        else:
            self._listener = listener

    def cancel(self) -> None:
        """Give it up; it ends with a `CancelledError`."""
        on_cancel = self._on_cancel
        self.settle(None, asyncio.CancelledError())
        if on_cancel is not None:
            on_cancel()

    def done(self) -> bool:
        """Whether nothing more will be told."""
        return self._is_settled

    def __await__(self) -> Generator[Any, None, _Result]:
        future: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()

        def told(result: _Result | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(cast("_Result", result))

        self.listen(told)
        try:
            return (yield from future)
        except asyncio.CancelledError:
            self.cancel()
            raise


Work: TypeAlias = Coroutine[Any, Any, _Result] | Promise[_Result]
"""What an actor can have done beside it."""
