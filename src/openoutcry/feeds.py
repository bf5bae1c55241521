"""Async iterators over what a connector publishes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

from openoutcry.errors import ConnectorStopped, OrderEventsGone
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

    Live events are only a hint that there is something new. Where a number is missing, the journal is asked; so a slow
    reader's buffer may lose the oldest, too.
    """

    def __init__(self, history: Callable[[int | None], Awaitable[OrderEvents]]) -> None:
        """`history` asks for the journaled events after a number; None: for those since this runtime was started."""
        self._history = history
        self._live: Feed[OrderEvent | None] = Feed(buffer=1000)

    def publish(self, event: OrderEvent) -> None:
        """A live event has come."""
        self._live.publish(event)

    def look_again(self) -> None:
        """Something may have been missed: readers ask the journal."""
        self._live.publish(None)

    def close(self) -> None:
        """End every iteration."""
        self._live.close()

    async def items(self, after: int | None) -> AsyncIterator[OrderEvent]:
        """Events with a number greater than `after`; None: every event since this runtime was started.

        Raises:
            OrderEventsGone: the journal no longer has what comes next, or is not the one that `after` is a number of.
        """
        reader = self._live.open()
        number = after
        try:
            is_behind = True
            while True:
                if is_behind:
                    page = await self._page(number)
                    is_behind = False
                    if page is not None:
                        number = _check(page, number)
                        for event in page.events:
                            number = event.number
                            yield event
                        is_behind = bool(page.events) and number < page.last_number
                        if is_behind:
                            continue
                try:
                    live = await reader.get()
                except StopAsyncIteration:
                    return
                if live is None or number is None or live.number > number + 1:
                    is_behind = True
                elif live.number == number + 1:
                    number = live.number
                    yield live
        finally:
            self._live.release(reader)

    async def _page(self, after: int | None) -> OrderEvents | None:
        """None: whoever keeps the journal is not there. `look_again` follows when it is."""
        while True:
            try:
                return await self._history(after)
            except TimeoutError:
                continue
            except ConnectorStopped:
                return None


def _check(page: OrderEvents, after: int | None) -> int:
    """The number after which the page goes on."""
    first = page.events[0].number if page.events else page.last_number + 1
    if after is None:
        return first - 1
    if after > page.last_number:
        raise OrderEventsGone(
            f"events after number {after} were asked for, but the journal's newest is {page.last_number}: it is "
            "another journal, or its last entries were lost",
            page.last_number,
        )
    if first > after + 1:
        raise OrderEventsGone(f"the order events {after + 1} to {first - 1} are no longer in the journal", first - 1)
    return after
