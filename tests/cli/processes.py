"""The `openoutcry` command as a process, as a person runs it."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import IO

COMMAND = (sys.executable, "-m", "openoutcry")
PATIENCE_S = 60.0


def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, without a terminal."""
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE_S)


class Running:
    """A command that runs, its output read line by line."""

    def __init__(self, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        """Of stdout, up to now."""
        self._errors: list[str] = []
        self._new: Queue[str | None] = Queue()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read_output, args=(self.process.stdout,), daemon=True),
            threading.Thread(target=self._read_errors, args=(self.process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def wait_for(self, words: str) -> str:
        """The next line of stdout with these words."""
        while (line := self._new.get(timeout=PATIENCE_S)) is not None:
            self.lines.append(line)
            if words in line:
                return line
        raise AssertionError(f"{words!r} never came; what came: {self.lines}; {self._errors}")

    def stop(self, number: int) -> tuple[int, str]:
        """Send a signal; the exit status and all of stderr."""
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        while (line := self._new.get(timeout=PATIENCE_S)) is not None:
            self.lines.append(line)
        return status, "".join(self._errors)

    def close(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)

    def _read_output(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._new.put(line.rstrip("\n"))
        self._new.put(None)

    def _read_errors(self, stream: IO[str]) -> None:
        with stream:
            self._errors.extend(stream)


@contextmanager
def running(*arguments: str | Path) -> Iterator[Running]:
    """A command that runs in the block and is gone after it."""
    command = Running(*arguments)
    try:
        yield command
    finally:
        command.close()


def served(command: Running) -> dict[str, str]:
    """What `emulate --json` prints."""
    values: dict[str, str] = json.loads(command.wait_for("{"))
    return values
