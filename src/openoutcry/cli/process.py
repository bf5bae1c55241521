"""A command as a process: it runs until it is done, or until someone asks it to stop."""

import asyncio
import signal
from collections.abc import Awaitable, Callable


def run_until_stopped(body: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run `body` in a new loop and return the exit status that it comes to.

    The first SIGINT or SIGTERM sets the event that `body` is given, and `body` ends in good order. A second one ends
    the process at once.
    """
    return asyncio.run(_with_signals(body))


async def _with_signals(body: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def asked(_number: int, _frame: object) -> None:
        restore()
        loop.call_soon_threadsafe(stop.set)

    for number in signals:
        signal.signal(number, asked)
    try:
        return await body(stop)
    finally:
        restore()
