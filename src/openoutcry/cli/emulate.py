"""`openoutcry emulate`: serves an exchange on this machine until interrupted."""

import argparse
from pathlib import Path

from openoutcry.cli.errors import CommandFailed
from openoutcry.cli.process import run_until_stopped
from openoutcry.emulator.command import emulate
from openoutcry.emulator.server import PortInUse


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM.

    Raises:
        CommandFailed: the port is not to be had, or the recording is not to be read.
    """
    replay: Path | None = arguments.replay
    if replay is not None and not replay.is_file():
        raise CommandFailed(f"{replay}: there is no such recording")
    try:
        return run_until_stopped(lambda stop: emulate(arguments.port, arguments.json, replay, stop))
    except PortInUse as error:
        raise CommandFailed(error.strerror or str(error)) from error
    except PermissionError as error:
        raise CommandFailed(f"port {arguments.port} or the recording may not be opened: {error.strerror}") from error
