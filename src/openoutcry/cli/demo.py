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

FAILED = 1
INTERRUPTED = 130


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0 only if nothing was lost and all matches."""
    # The screen tells what happens; log lines would tear it, and the crashes of the script are no news.
    logging.getLogger("openoutcry").addHandler(logging.NullHandler())
    logging.getLogger("openoutcry").propagate = False
    return run_until_stopped(partial(_demo, arguments.seconds, arguments.json))


async def _demo(seconds: float, as_json: bool, stop: asyncio.Event) -> int:
    console = Console()
    has_screen = console.is_terminal and not console.is_dumb_terminal and not as_json
    demo = Demo(seconds, _silence if as_json else _print)
    screen = Screen(demo, console)
    if has_screen:
        demo.say = screen.say
    elif not as_json:
        _print(f"an emulated exchange on loopback, about {seconds:g} s of trading, two crashes, a comparison")
    async with demo.started():
        watching = asyncio.create_task(screen.watch()) if has_screen else None
        try:
            summary = await _unless_stopped(demo, stop)
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
    if summary is None:
        sys.stderr.write("openoutcry: interrupted before the comparison\n")
        return INTERRUPTED
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(summary.as_json()) + b"\n")
    else:
        _print(_in_words(summary))
    return 0 if summary.is_good else FAILED


async def _unless_stopped(demo: Demo, stop: asyncio.Event) -> Summary | None:
    """The summary, or None if someone interrupts before there is one."""
    running = asyncio.create_task(demo.run())
    stopping = asyncio.create_task(stop.wait())
    tasks: tuple[asyncio.Task[Any], ...] = (running, stopping)
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return None if running.cancelled() else running.result()


def _in_words(summary: Summary) -> str:
    orders = ", ".join(f"{count} {state}" for state, count in sorted(summary.orders.items()))
    lines = [
        "",
        f"ready after      {summary.ready_after_s} s",
        f"frames           {summary.frames}",
        f"orders           {orders}",
        f"fills            {summary.fills}",
        f"restarts         {summary.restarts}",
        f"lost orders      {summary.lost_orders}",
        f"placed twice     {summary.duplicate_orders}",
        f"balances         {'match' if summary.balances_match else 'DIFFER'}",
        f"books            {'match' if summary.books_match else 'DIFFER'}",
        "",
        *summary.problems,
        "Nothing was lost, and all matches what the exchange knows." if summary.is_good else "NOT all is well.",
    ]
    return "\n".join(lines)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _silence(_line: str) -> None:
    """With --json nothing but the summary is printed."""
