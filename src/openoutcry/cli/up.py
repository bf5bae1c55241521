"""`openoutcry up -c FILE`: run what the config names until interrupted, then drain."""

import argparse
import asyncio
import sys
import time
from functools import partial
from pathlib import Path

from openoutcry.actors.exchange.readiness import describe
from openoutcry.cli.process import run_until_stopped
from openoutcry.connector import Connector
from openoutcry.messages.lifecycle import ConnectorStatus, Readiness
from openoutcry.runtime import Runtime

ORDERS_ARE_OPEN = 3
UNKNOWN = 4


def run(arguments: argparse.Namespace) -> int:
    """Exit status: 0 when no order of ours is open at the end, 3 when some are, 4 when that is unknown.

    Raises:
        ConfigError: lists every mistake of the config.
    """
    return run_until_stopped(partial(_up, arguments.config))


async def _up(config: Path, stop: asyncio.Event) -> int:
    runtime = Runtime.from_file(config)
    async with runtime:
        reports = [asyncio.create_task(_report(connector)) for connector in runtime.connectors.values()]
        await stop.wait()
        _say("stopping: no new orders, draining")
        for report in reports:
            report.cancel()
        await asyncio.gather(*reports, return_exceptions=True)
    status = 0
    for name, drained in runtime.drained.items():
        word = {True: "flat", False: "NOT FLAT", None: "UNKNOWN"}[drained.is_flat]
        _say(f"{name}: {word}: {drained.message}")
        status = max(status, {True: 0, False: ORDERS_ARE_OPEN, None: UNKNOWN}[drained.is_flat])
    return status


async def _report(connector: Connector) -> None:
    """One line for each change of a component or of the trading mode."""
    known: dict[str, str] = {}
    async for status in connector.statuses():
        for line in _changes(status, known):
            _say(f"{connector.name}: {line}")


def _changes(status: ConnectorStatus, known: dict[str, str]) -> list[str]:
    lines = []
    now_ms = time.time_ns() // 1_000_000
    for component in status.components:
        told = f"{component.readiness.value} {component.reason}"
        if known.get(component.role) != told:
            known[component.role] = told
            if component.readiness is not Readiness.STARTING:
                lines.append(describe(component, now_ms))
    mode = f"{'ready' if status.is_ready else 'not ready'}, {status.mode.value}"
    if known.get("") != mode:
        known[""] = mode
        lines.append(mode + (f" ({status.mode_reason})" if status.mode_reason else ""))
    return lines


def _say(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stdout.flush()
