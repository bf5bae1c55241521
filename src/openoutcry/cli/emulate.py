"""`openoutcry emulate`: serves an exchange on this machine until interrupted."""

import argparse

from openoutcry.cli.errors import CommandFailed
from openoutcry.cli.process import run_until_stopped
from openoutcry.emulator.command import emulate
from openoutcry.emulator.recording import BadRecording
from openoutcry.emulator.server import PortInUse


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM.

    Raises:
        CommandFailed: the port is not to be had, or the recording is not to be read.
    """
    port, replay = arguments.port, arguments.replay
    try:
        return run_until_stopped(lambda stop: emulate(port, arguments.json, replay, stop))
    except PortInUse as error:
        raise CommandFailed(error.strerror or str(error)) from error
    except BadRecording as error:
        raise CommandFailed(str(error)) from error
    except PermissionError as error:
        raise CommandFailed(f"port {port} or the recording may not be opened: {error.strerror}") from error
