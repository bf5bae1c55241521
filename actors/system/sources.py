"""Actor sources loaded at run time, as Thespian's source authority lets them in."""

from __future__ import annotations

import hashlib
import logging
import sys
from pathlib import Path
from typing import Any

from thespian.actors import LoadedSource, UnloadedSource, ValidateSource
from thespian.system.sourceLoader import SourceHashFinder, loadModuleFromHashSource

from openoutcry.actors.system.kernel import Kernel

_logger = logging.getLogger(__name__)


class SourceStore:
    """The validated sources of one system, and who wants to hear of them."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._sources: dict[str, Any] = {}
        self._authority: Any = None
        self._listeners: list[Any] = []

    def load_module(self, source_hash: str, module: str, name: str) -> Any:
        """Return the class `name` out of a loaded source."""
        return loadModuleFromHashSource(source_hash, self._sources, module, name)

    def set_authority(self, address: Any) -> None:
        """Make the actor at `address` the one that validates sources."""
        self._authority = address

    def listen(self, address: Any, enable: bool) -> None:
        """Start or stop telling an actor of sources; at the start it hears of those that are there."""
        self.forget(address)
        if enable:
            self._listeners.append(address)
            for source_hash in self._sources:
                self._send(address, LoadedSource(source_hash, ""))

    def forget(self, address: Any) -> None:
        """Tell an actor nothing more."""
        self._listeners = [listener for listener in self._listeners if listener != address]

    def submit(self, file: Any) -> str:
        """Read a path or an open binary file, pass it to the authority, and return its hash."""
        if hasattr(file, "read"):
            with file:
                data = file.read()
        else:
            data = Path(file).read_bytes()
        # The hash is Thespian's name for a source, no protection: what may be loaded, the authority decides.
        source_hash = hashlib.md5(data, usedforsecurity=False).hexdigest()
        _logger.info("Loaded source %s hash %s", file, source_hash)
        if self._authority is not None:
            self._send(self._authority, ValidateSource(source_hash, data))
        return source_hash

    def accept(self, source_hash: str, source_zip: Any) -> None:
        """Take what the authority has validated, if it can be read."""
        try:
            SourceHashFinder(source_hash, lambda data: data, source_zip).getZipNames()
        except Exception:
            _logger.exception("Validated source (hash %s) is corrupted", source_hash)
            return
        self._sources[source_hash] = source_zip
        for listener in self._listeners:
            self._send(listener, LoadedSource(source_hash, ""))

    def unload(self, source_hash: str) -> None:
        """Forget a source and the modules that came from it."""
        if self._sources.pop(source_hash, None) is not None:
            for listener in self._listeners:
                self._send(listener, UnloadedSource(source_hash, ""))
        for number, finder in enumerate(sys.meta_path):
            if getattr(finder, "srcHash", None) == source_hash:
                root = finder.hashRoot()  # type: ignore[attr-defined]  # Thespian's finders have it
                for module in [name for name in sys.modules if name and name.startswith(root)]:
                    del sys.modules[module]
                del sys.meta_path[number]
                break

    def unload_all(self) -> None:
        """Forget all sources."""
        for source_hash in tuple(self._sources):
            self.unload(source_hash)

    def _send(self, address: Any, message: Any) -> None:
        self._kernel.send(address, message, self._kernel.system_cell.address)
