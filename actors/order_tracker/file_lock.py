"""A lock that one holder at a time can have, and that its holder's death gives back."""

import os
import sys
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLocked(Exception):
    """Somebody else holds the lock."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path} is locked by {holder}")
        self.holder = holder


class FileLock:
    """An exclusive lock on a file, from the construction until `release`, or until the process ends."""

    __slots__ = ("_file", "path")

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            FileLocked: it is taken; by another process, or by this one.
            OSError: the file can't be made.
        """
        self.path = path
        # Opened for appending: the holder's number must survive until the lock is ours.
        file = path.open("a+", encoding="ascii")
        try:
            _lock(file)
        except OSError:
            file.seek(0)
            number = file.read(32).strip()
            file.close()
            raise FileLocked(path, f"process {number}" if number else "another process") from None
        try:
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
        except OSError:
            file.close()
            raise
        self._file = file

    def release(self) -> None:
        """Give the lock back. Idempotent."""
        self._file.close()
