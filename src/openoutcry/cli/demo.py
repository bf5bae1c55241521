"""`openoutcry demo`: watch a connector work, lose an actor, recover."""

import argparse
import asyncio
import logging
import sys
from functools import partial
from typing import Any

import orjson
from rich.console import Console

from openoutcry.cli.process import run_until_stopped
from openoutcry.demo.run import Demo
from openoutcry.demo.screen import Screen
from openoutcry.demo.summary import Summary

INTERRUPTED = 130


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0 only if nothing was lost and all matches."""
    logging.getLogger("openoutcry").addHandler(logging.NullHandler())
    logging.getLogger("openoutcry").propagate = False
    return run_until_stopped(partial(_demo, arguments.seconds, arguments.json))


async def _demo(seconds: float, as_json: bool, stop: asyncio.Event) -> int:
    console = Console()
    lines: list[str] = []
    demo = Demo(seconds, lines.append)
    screen = Screen(demo, console)
    if as_json:
        demo.say = lambda _line: None
    elif console.is_terminal:
        demo.say = screen.say
    else:
        demo.say = _print
        _print(f"demo: an emulated exchange on loopback, about {seconds:g} s of trading, two crashes, a comparison")
    async with demo.started():
        watching = asyncio.create_task(screen.watch()) if console.is_terminal and not as_json else None
        running = asyncio.create_task(demo.run())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        tasks: list[asyncio.Task[Any]] = [task for task in (watching, stopping) if task is not None]
        if not running.done():
            tasks.append(running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if running.cancelled():
            return INTERRUPTED
        summary = running.result()
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(summary.as_json()) + b"\n")
    else:
        _print(_in_words(summary))
    return 0 if summary.is_good else 1


def _in_words(summary: Summary) -> str:
    orders = ", ".join(f"{count} {state}" for state, count in sorted(summary.orders.items()))
    lines = [
        f"ready after   {summary.ready_after_s} s",
        f"frames        {summary.frames}",
        f"orders        {orders}",
        f"fills         {summary.fills}",
        f"restarts      {summary.restarts}",
        f"lost orders   {summary.lost_orders}, accepted twice {summary.duplicate_orders}",
        f"balances      {'match' if summary.balances_match else 'DIFFER'}",
        f"books         {'match' if summary.books_match else 'DIFFER'}",
        *summary.problems,
        "nothing was lost, all matches" if summary.is_good else "NOT all is well",
    ]
    return "\n".join(lines)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
