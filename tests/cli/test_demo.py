"""The demonstration as a person sees it: as JSON, without a terminal, in a terminal, interrupted."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios

import pytest
from processes import COMMAND, PATIENCE_S, run, running

KEYS = {
    "ready_after_s",
    "frames",
    "orders",
    "fills",
    "restarts",
    "lost_orders",
    "duplicate_orders",
    "balances_match",
    "books_match",
}
ROLES = ("facade", "signer", "rest", "clock", "rules", "book", "book_source", "balances", "orders", "user_stream")


def test_as_json_it_prints_one_object_and_nothing_else() -> None:
    answer = run("demo", "--seconds", "3", "--json")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert len(answer.stdout.splitlines()) == 1
    summary = json.loads(answer.stdout)
    assert set(summary) == KEYS | {"problems"}
    assert summary["problems"] == []
    assert (summary["lost_orders"], summary["duplicate_orders"]) == (0, 0)
    assert summary["balances_match"] is True
    assert summary["books_match"] is True
    assert summary["restarts"] == 2
    assert summary["ready_after_s"] > 0
    assert summary["frames"] > 0
    assert summary["fills"] >= 3
    # The order that the exchange refused, those that were cancelled, those that were filled; none is left open.
    assert set(summary["orders"]) == {"FAILED", "CANCELED", "FILLED"}


def test_without_a_terminal_it_prints_plain_lines_and_the_summary() -> None:
    answer = run("demo", "--seconds", "1")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "\x1b" not in answer.stdout
    lines = answer.stdout.splitlines()
    steps = [
        "an emulated exchange",
        "ready after",
        "limit buy",
        "limit maker sell",
        "which would take: refused",
        "market buy",
        "more than it offers",
        "CANCELED",
        "crash book_source",
        "book_source restarted",
        "crash orders",
        "orders restarted",
        "cancel all",
        "restarts         2",
        "balances         match",
        "books            match",
        "Nothing was lost",
    ]
    places = [next((number for number, line in enumerate(lines) if step in line), -1) for step in steps]
    assert places == sorted(places), dict(zip(steps, places, strict=True))
    assert -1 not in places, dict(zip(steps, places, strict=True))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_without_a_traceback(number: signal.Signals) -> None:
    with running("demo", "--seconds", "8") as demo:
        demo.wait_for("limit maker sell")
        status, errors = demo.stop(number)
    assert (status, errors) == (130, "openoutcry: interrupted before the comparison\n")
    assert not any("restarts  " in line for line in demo.lines)


@pytest.mark.parametrize(("columns", "lines"), [(160, 50), (100, 30), (80, 24)])
def test_in_a_terminal_the_whole_tree_is_on_one_screen(columns: int, lines: int) -> None:
    status, output = in_a_terminal(columns, lines, "demo", "--seconds", "2")
    assert status == 0
    screens = [text_of(screen) for screen in output.split("\x1b[H")[1:]]
    assert len(screens) > 5
    full = [screen for screen in screens if "restarts 1" in screen]
    assert full, "the crash of the book source was never on the screen"
    rows = full[-1].splitlines()
    assert len(rows) >= lines - 1
    assert max(map(len, rows[:lines])) <= columns
    shown = "\n".join(rows)
    for heading in ("actors", "books", "orders in flight", "balances", "what happens"):
        assert f"─ {heading} ─" in shown
    for heading in ("role", "state", "restarts", "messages/s", "bid", "ask", "amount", "price", "total", "available"):
        assert heading in shown
    for role in ROLES:
        assert re.search(rf"│ +{role} +(READY|DEGRADED|STARTING|FAILED) +\d+ +[\d,]+ ", shown), role
    assert re.search(r"book_source +READY +1 ", shown)
    assert re.search(r"BTC-USDT +[\d,]+\.\d\d +[\d,]+\.\d\d", shown)
    assert re.search(r"USDT +[\d,]+\.\d+ +[\d,]+\.\d+", shown)
    if columns >= 100:
        assert "…" not in shown.partition("what happens")[0], "something in the tables is cut"
    # The terminal gets its own screen back, with the log and the summary below what was there.
    after = text_of(output.rpartition("\x1b[?1049l")[2])
    assert "crash book_source" in after
    assert "Nothing was lost" in after


def test_every_screen_has_the_same_frame() -> None:
    _, output = in_a_terminal(120, 40, "demo", "--seconds", "1")
    screens = [text_of(screen).splitlines() for screen in output.split("\x1b[H")[1:]]
    frames = {tuple(re.sub(r"[^╭╮╰╯│]", " ", row) for row in screen[1:23]) for screen in screens if len(screen) > 23}
    assert len(frames) == 1


def in_a_terminal(columns: int, lines: int, *arguments: str) -> tuple[int, str]:
    """Run a command in a terminal of that size: its exit status, and all that it wrote to the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True
    )
    os.close(theirs)
    parts = []
    try:
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # on Linux the end of a terminal is an error
                break
            if not part:
                break
            parts.append(part)
        status = process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        os.close(ours)
    return status, b"".join(parts).decode()


def text_of(screen: str) -> str:
    """What a person reads, without colours and other commands to the terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen).replace("\r", "")
