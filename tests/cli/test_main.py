import json
import signal
import socket
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import IO

import pytest
from processes import COMMAND, run

from openoutcry.cli.main import main


def called(*arguments: str | Path) -> int:
    """The exit status of a command that is run in this process: quicker, for what ends at its arguments."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)


def first_line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


def test_the_version_is_the_package_s() -> None:
    assert run("--version").stdout == f"openoutcry {version('openoutcry')}\n"


def test_without_a_command_the_commands_are_shown() -> None:
    answer = run()
    assert answer.returncode == 2
    assert {"demo", "emulate", "up", "check", "simulate"} <= set(answer.stderr.split())


@pytest.mark.parametrize("command", ["demo", "emulate", "up", "check", "simulate"])
def test_each_command_says_what_it_does(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(command, "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert {
        "demo": "Exit status 0 only if nothing was lost and all matches.",
        "emulate": "Other programs can trade on it as on the real one.",
        "up": "Exit status: 0 no order is open, 3 orders are open, 4 that is unknown",
        "check": "Places no order.",
        "simulate": "Exit status 0 only if everything held in every seed.",
    }[command] in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trade",), "invalid choice: 'trade'"),
        (("emulate", "binanse"), "invalid choice: 'binanse'"),
        (("emulate", "binance", "--port", "99999"), "'99999' is not a port"),
        (("emulate", "binance", "--replay", "nowhere.jsonl"), "nowhere.jsonl is no recording"),
        (("demo", "--seconds", "-1"), "'-1' is not a number of seconds above 0"),
        (("check",), "required: -c/--config"),
        (("check", "-c", "nowhere.toml"), "nowhere.toml: there is no such file; make it with these lines"),
        (("up", "-c", "nowhere.toml"), "nowhere.toml: there is no such file; make it with these lines"),
    ],
)
def test_a_mistake_gives_a_message_and_no_traceback(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(*arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_all_mistakes_of_a_config_are_shown_to_who_checks_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "openoutcry.toml"
    config.write_text('[connectors.binance]\nexchange = "binance"\ndomain = "con"\ntrading_pairs = ["BTCUSDT"]\n')
    assert called("check", "-c", config) == 2
    shown = capsys.readouterr().err
    assert 'connectors.binance.domain: "con" is not one of com, us, testnet' in shown
    assert 'did you mean "BTC-USDT"?' in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_emulator_serves_until_it_is_asked_to_stop(number: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "emulate", "binance", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        served = json.loads(first_line(process.stdout))
        assert set(served) == {"rest_url", "ws_url", "ws_api_url", "api_key", "api_secret"}
        host, port = served["rest_url"].removeprefix("http://").split(":")
        socket.create_connection((host, int(port)), timeout=10).close()
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (0, "", "")


def test_a_port_that_is_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        answer = run("emulate", "binance", "--port", str(port))
    assert answer.returncode == 2
    assert f"port {port} on 127.0.0.1 is in use" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_reader_that_goes_away_is_no_failure() -> None:
    with subprocess.Popen([*COMMAND, "emulate", "binance"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read() == b""
