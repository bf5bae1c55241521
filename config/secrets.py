"""Secrets are read where they are used and when they are used, from the source that the config names."""

import importlib
import os
from pathlib import Path

from openoutcry.config.errors import ConfigError
from openoutcry.config.schema import SecretSource


def read_secret(source: SecretSource) -> str:
    """The secret that lies at `source`, without white space around it.

    Raises:
        ConfigError: it is not there, not readable, or empty. Says how to mend it; never shows any part of a secret.
    """
    if source.env is not None:
        secret = _from_environment(source.env)
    elif source.file is not None:
        secret = _from_file(source.file)
    else:
        secret = _from_keyring(source.keyring or "")
    secret = secret.strip()
    if not secret:
        raise ConfigError(f"{source} is empty: it must hold the key or secret and nothing else")
    return secret


def _from_environment(name: str) -> str:
    secret = os.environ.get(name)
    if secret is None:
        raise ConfigError(f"environment variable {name} is not set: export {name}=… before starting")
    return secret


def _from_file(path: Path) -> str:
    where = path.expanduser()
    try:
        return where.read_text(encoding="utf-8")
    except FileNotFoundError:
        problem = f"file {where} does not exist: create it with the secret as its only content"
    except PermissionError:
        problem = f"file {where} is not readable: make it readable for this user (chmod 600, owned by the user)"
    except UnicodeDecodeError:
        # The error holds the file's content, so nothing of it is chained or shown.
        problem = f"file {where} is no text: it must hold the secret and nothing else"
    except OSError as error:
        problem = f"file {where} cannot be read: {error.strerror}"
    raise ConfigError(problem)


def _from_keyring(entry: str) -> str:
    service, _, name = entry.partition("/")
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        keyring = None
    if keyring is None:
        raise ConfigError(
            f"keyring entry {entry} cannot be read: the package keyring is missing, pip install 'openoutcry[keyring]'"
        )
    try:
        secret: str | None = keyring.get_password(service, name)
    except Exception as error:  # noqa: BLE001 - back ends raise what they like; only the type is safe to show
        problem = type(error).__name__
    else:
        if secret is not None:
            return secret
        raise ConfigError(f"keyring entry {entry} does not exist: keyring set {service} {name}")
    raise ConfigError(f"keyring entry {entry} cannot be read ({problem}): is the system's keyring unlocked?")
