"""The `openoutcry` command: reads the command line and hands over to the module of the subcommand.

A subcommand's module has `run(arguments: argparse.Namespace) -> int`, which returns the exit status. It is imported
only when it is called.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from openoutcry.cli.errors import CommandFailed
from openoutcry.config.errors import ConfigError
from openoutcry.errors import OpenoutcryError

MISTAKE = 2
"""Exit status after a mistake of the person who called, as argparse has it."""

_CONFIG_HELP = "the config file (TOML); see docs/config.md"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.module is None:
        parser.print_help(sys.stderr)
        return MISTAKE
    try:
        status: int = import_module(arguments.module).run(arguments)
        sys.stdout.flush()
    except (CommandFailed, ConfigError, OpenoutcryError) as error:
        print(f"openoutcry: {error}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output is gone, e.g. `| head`. Python flushes once more at the end: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="openoutcry",
        description="Exchange connectors as supervised trees of actors, for people who run trading bots.",
    )
    parser.add_argument("--version", action="version", version=f"openoutcry {version('openoutcry')}")
    parser.set_defaults(module=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    demo = _add(
        commands,
        "demo",
        "watch a connector work: an embedded exchange, orders, two crashes, and a summary",
        "Starts an exchange on this machine and a connector against it, trades a small script, crashes two actors in "
        "the middle of it, and compares what the connector believes with what the exchange knows. Needs no keys and no "
        "internet. Exit status 0 only if nothing was lost and all matches.",
    )
    demo.add_argument("--seconds", type=_seconds, metavar="N", help="how long to run (default: 20)", default=20.0)
    demo.add_argument("--json", action="store_true", help="print nothing but the summary, as one JSON object")

    emulate = _add(
        commands,
        "emulate",
        "serve an exchange on this machine, in the exchange's own wire protocol",
        "Serves an exchange on loopback until interrupted and prints its URLs with a test key and secret. Other "
        "programs can trade on it as on the real one. It is not reachable from other machines.",
    )
    emulate.add_argument("exchange", choices=["binance"], help="whose wire protocol to speak")
    emulate.add_argument(
        "--port", type=_port, metavar="N", default=0, help="the port to serve on (default: a free one)"
    )
    emulate.add_argument("--json", action="store_true", help="print URLs, key and secret as one line of JSON")
    emulate.add_argument("--replay", type=Path, metavar="FILE", help="serve the market data of a recording")

    up = _add(
        commands,
        "up",
        "run what the config names, until interrupted",
        "Runs every connector of the config until SIGINT or SIGTERM, then stops in good order: no new orders, and open "
        "ones cancelled if the config says cancel_orders_on_stop. Prints each change of a component. The last line of "
        "each connector says what is left: flat, NOT FLAT or UNKNOWN. Exit status: 0 no order is open, 3 orders are "
        "open, 4 that is unknown, 2 a mistake in the config or a journal that cannot be used.",
    )
    up.add_argument("-c", "--config", type=Path, required=True, metavar="FILE", help=_CONFIG_HELP)
    up.add_argument("-v", "--verbose", action="store_true", help="log more, with tracebacks of what crashed")

    check = _add(
        commands,
        "check",
        "try out a config: mistakes, reachability, clock, trading pairs, keys",
        "Validates the config, then tries out each connector: its three endpoints, the clock, the trading pairs, and "
        "what the keys may do. Says how to mend each failure. Places no order. Exit status 0 only if nothing failed.",
    )
    check.add_argument("-c", "--config", type=Path, required=True, metavar="FILE", help=_CONFIG_HELP)
    check.add_argument("--json", action="store_true", help="print the findings as a JSON list")

    simulate = _add(
        commands,
        "simulate",
        "run a connector through faults in virtual time, from a seed",
        "Runs the whole tree of a connector with an active strategy against the emulated exchange in memory, in "
        "virtual time, with faults drawn from a seed; then compares what it believes with what the exchange knows. A "
        "seed takes the same course each time. For a seed in which something did not hold it prints the command that "
        "repeats it and writes its trace. Exit status 0 only if everything held in every seed.",
    )
    simulate.add_argument("--exchange", choices=["binance"], default="binance", help="which one (default: binance)")
    simulate.add_argument("--seed", type=_count, metavar="N", default=1, help="the first seed (default: 1)")
    simulate.add_argument("--seeds", type=_count, metavar="N", default=1, help="how many seeds (default: 1)")
    simulate.add_argument(
        "--hours", type=_hours, metavar="H", default=0.1, help="virtual hours of faults a seed (default: 0.1)"
    )
    simulate.add_argument(
        "--faults",
        metavar="LIST",
        default="all",
        help="names of faults with commas between, all or none (default: all); a wrong name shows the list",
    )
    simulate.add_argument("--json", action="store_true", help="print totals and runs as one JSON object")
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, description: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=description)
    parser.set_defaults(module=f"openoutcry.cli.{name}")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: name a number from 1 to 65535, or 0 for a free one")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    return _above_zero(text, "seconds")


def _hours(text: str) -> float:
    return _above_zero(text, "hours")


def _above_zero(text: str, unit: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of {unit} above 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
