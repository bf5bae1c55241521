"""`openoutcry check`: tries out a config and says how to mend what fails."""

import argparse
import asyncio
from dataclasses import asdict

import orjson

from openoutcry.actors.ports.aiohttp_transport import AiohttpTransport
from openoutcry.actors.ports.clock import SystemClock
from openoutcry.cli.connector_check import ConnectorCheck, Finding, Verdict
from openoutcry.config.load import load_settings
from openoutcry.config.schema import Settings
from openoutcry.exchanges.registry import dialect, known_exchanges


def run(arguments: argparse.Namespace) -> int:
    """Print one line a finding; 0 only if nothing failed.

    Raises:
        ConfigError: lists every mistake of the config.
    """
    settings = load_settings(arguments.config, known_exchanges())
    findings = asyncio.run(check(settings))
    if arguments.json:
        print(orjson.dumps([asdict(finding) for finding in findings], option=orjson.OPT_INDENT_2).decode())
    else:
        for finding in findings:
            print(finding)
    return int(any(finding.verdict is Verdict.FAIL for finding in findings))


async def check(settings: Settings) -> list[Finding]:
    """Try out every connector, all at the same time; the findings come in the config's order."""
    transport = AiohttpTransport()
    clock = SystemClock()
    checks = [
        ConnectorCheck(name, connector, dialect(connector.exchange), transport, clock)
        for name, connector in settings.connectors.items()
    ]
    try:
        found = await asyncio.gather(*(one.run() for one in checks))
    finally:
        await transport.close()
    return [finding for findings in found for finding in findings]
