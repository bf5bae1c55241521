"""Async iterators over what a connector publishes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

from openoutcry.messages.orders import OrderEvent, OrderEvents

_Item = TypeVar("_Item")


class Feed(Generic[_Item]):
    """Fans published items out to any number of readers, each with a buffer of its own.

    A reader that falls more than `buffer` items behind loses the oldest: with a buffer of 1 it always sees the newest.
    """

    def __init__(self, buffer: int | None) -> None:
        self._buffer = buffer
        self._readers: dict[_Reader[_Item], None] = {}
        self._is_closed = False

    def publish(self, item: _Item) -> None:
        """Give an item to every reader."""
        for reader in self._readers:
            reader.put(item)

    def close(self) -> None:
        """End every iteration once its buffer is read, those that begin later too."""
        self._is_closed = True
        for reader in self._readers:
            reader.end()

    def open(self) -> "_Reader[_Item]":
        """A new reader, from now on; `release` it in the end."""
        reader: _Reader[_Item] = _Reader(self._buffer)
        self._readers[reader] = None
        if self._is_closed:
            reader.end()
        return reader

    def release(self, reader: "_Reader[_Item]") -> None:
        """No more items for this reader."""
        self._readers.pop(reader, None)

    async def items(self, first: _Item | None = None) -> AsyncIterator[_Item]:
        """Iterate over `first`, if given, and everything published from now on."""
        reader = self.open()
        if first is not None:
            reader.put(first)
        try:
            while True:
                try:
                    item = await reader.get()
                except StopAsyncIteration:
                    return
                yield item
        finally:
            self.release(reader)


class _Reader(Generic[_Item]):
    __slots__ = ("_ended", "_items", "_wakeup")

    def __init__(self, buffer: int | None) -> None:
        self._items: deque[_Item] = deque(maxlen=buffer)
        self._wakeup: asyncio.Future[None] | None = None
        self._ended = False

    def put(self, item: _Item) -> None:
        self._items.append(item)
        self._wake()

    def end(self) -> None:
        self._ended = True
        self._wake()

    async def get(self) -> _Item:
        """The next item.

        Raises:
            StopAsyncIteration: the feed is closed and everything is read.
        """
        while not self._items:
            if self._ended:
                raise StopAsyncIteration
            self._wakeup = asyncio.get_running_loop().create_future()
            await self._wakeup
        return self._items.popleft()

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)


class OrderEventFeed:
    """Order events by their numbers: each reader sees each event exactly once, in order, whatever was lost on the way.

    Live events are only a hint that there is something new. Where a number is missing, the journal is asked.
    """

    def __init__(self, history: Callable[[int], Awaitable[OrderEvents]]) -> None:
        """`history` asks for the journaled events after a number."""
        self._history = history
        self._live: Feed[OrderEvent | None] = Feed(buffer=None)
        self._first_number: int | None = None

    def publish(self, event: OrderEvent) -> None:
        """A live event has come."""
        if self._first_number is None:
            self._first_number = event.number
        self._live.publish(event)

    def look_again(self) -> None:
        """Something may have been missed: readers ask the journal."""
        self._live.publish(None)

    def close(self) -> None:
        """End every iteration."""
        self._live.close()

    async def items(self, after: int | None) -> AsyncIterator[OrderEvent]:
        """Events with a number greater than `after`; None: every event since this runtime was started."""
        reader = self._live.open()
        try:
            number = after
            if number is None and self._first_number is not None:
                number = self._first_number - 1
            if number is not None:
                async for event in self._catch_up(number):
                    number = event.number
                    yield event
            while True:
                try:
                    live = await reader.get()
                except StopAsyncIteration:
                    return
                if number is None:
                    if live is None:
                        continue
                    number = live.number - 1
                if live is not None and live.number == number + 1:
                    number = live.number
                    yield live
                elif live is None or live.number > number:
                    async for event in self._catch_up(number):
                        number = event.number
                        yield event
        finally:
            self._live.release(reader)

    async def _catch_up(self, number: int) -> AsyncIterator[OrderEvent]:
        while True:
            page = await self._history(number)
            for event in page.events:
                number = event.number
                yield event
            if not page.events or number >= page.last_number:
                return
