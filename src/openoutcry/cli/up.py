"""`openoutcry up -c FILE`: run what the config names until interrupted, then drain."""

import argparse
import asyncio
import logging
import sys
import time
from functools import partial

from openoutcry.actors.order_tracker.journal import Journal, JournalError
from openoutcry.cli.errors import CommandFailed
from openoutcry.cli.process import run_until_stopped
from openoutcry.config.load import load_settings
from openoutcry.config.schema import Settings
from openoutcry.connector import Connector
from openoutcry.exchanges.registry import known_exchanges
from openoutcry.messages.lifecycle import ComponentStatus, ConnectorStatus, Drained, Readiness
from openoutcry.runtime import Runtime, journal_path

ORDERS_ARE_OPEN = 3
UNKNOWN = 4


def run(arguments: argparse.Namespace) -> int:
    """Exit status: 0 when no order of ours is open at the end, 3 when some are, 4 when that is unknown.

    Raises:
        ConfigError: lists every mistake of the config.
        CommandFailed: a journal cannot be used, e.g. because another process has it.
    """
    settings = load_settings(arguments.config, known_exchanges())
    _log_to_stderr(arguments.verbose)
    for name in settings.connectors:
        _try_journal(settings, name)
    return run_until_stopped(partial(_up, settings))


async def _up(settings: Settings, stop: asyncio.Event) -> int:
    runtime = Runtime(settings)
    async with runtime:
        reports = [asyncio.create_task(_report(connector)) for connector in runtime.connectors.values()]
        stopping = asyncio.create_task(stop.wait())
        all_down = asyncio.gather(*reports)
        await asyncio.wait((stopping, all_down), return_when=asyncio.FIRST_COMPLETED)
        _say("stopping: no new orders, draining" if stop.is_set() else "stopping: every connector is down")
        for task in (stopping, all_down):
            task.cancel()
        await asyncio.gather(stopping, all_down, return_exceptions=True)
    status = 0
    for name, drained in runtime.drained.items():
        if settings.connectors[name].is_market_data_only:
            drained = Drained(is_flat=True, message="market data only")
        word = {True: "flat", False: "NOT FLAT", None: "UNKNOWN"}[drained.is_flat]
        _say(f"{name}: {word}: {drained.message}")
        status = max(status, {True: 0, False: ORDERS_ARE_OPEN, None: UNKNOWN}[drained.is_flat])
    return status


def _try_journal(settings: Settings, name: str) -> None:
    """What only a person can set right is told before anything starts: the tree would wait for it."""
    if (path := journal_path(settings, name)) is None:
        return
    try:
        Journal(path).close()
    except JournalError as error:
        raise CommandFailed(f"connectors.{name}: {error}") from error


def _log_to_stderr(is_verbose: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines(is_verbose))
    logger = logging.getLogger("openoutcry")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if is_verbose else logging.WARNING)
    logger.propagate = False


class _Lines(logging.Formatter):
    """A line a record; the rest of it, tracebacks above all, only for who asked for it."""

    def __init__(self, is_verbose: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
        self._is_verbose = is_verbose

    def format(self, record: logging.LogRecord) -> str:
        whole = super().format(record)
        return whole if self._is_verbose else whole.partition("\n")[0]


async def _report(connector: Connector) -> None:
    """One line for each change of a component or of the trading mode; ends when the connector stays down."""
    known: dict[str, str] = {}
    async for status in connector.statuses():
        for line in _changes(status, known):
            _say(f"{connector.name}: {line}")


def _changes(status: ConnectorStatus, known: dict[str, str]) -> list[str]:
    lines = []
    for component in status.components:
        told = f"{component.readiness.value} {component.reason}"
        if known.get(component.role) != told:
            known[component.role] = told
            if component.readiness is not Readiness.STARTING:
                lines.append(_describe(component))
    mode = f"{'ready' if status.is_ready else 'not ready'}, {status.mode.value}"
    if known.get("") != mode:
        known[""] = mode
        lines.append(mode + (f" ({status.mode_reason})" if status.mode_reason else ""))
    return lines


def _describe(component: ComponentStatus) -> str:
    parts = [f"{component.role} {component.readiness.value}"]
    parts += [f": {component.reason}"] if component.reason else []
    parts += [f"; {component.next_step}"] if component.next_step else []
    return "".join(parts)


def _say(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stdout.flush()
