"""An event loop in a daemon thread of its own, for programs that have none."""

from __future__ import annotations

import asyncio
import contextlib
import threading


class LoopThread:
    """Runs a loop from `start` until `stop`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = threading.Thread(target=self._run, name="AsyncioSystemBase", daemon=True)
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the thread, unless it has been started before."""
        with self._lock:
            if self._thread.ident is None:
                self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def stop(self) -> None:
        """End the loop; unless called from its own thread, return when the thread is gone."""
        if self._thread.ident is None:
            self._loop.close()
            return
        if threading.current_thread() is self._thread:
            self._loop.stop()
            return
        with self._lock:
            # The thread may be ending by itself at this moment, and have closed the loop.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
