"""Loading a config: from TOML to `Settings`, or to one `ConfigError` that lists every mistake.

Two readers look at the same mapping. `mistakes.py` finds what takes more than one key, or knowledge of the exchanges;
the schema finds wrong types and values. Where both complain of a key, the words of `mistakes.py` are shown.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from openoutcry.config.errors import ConfigError
from openoutcry.config.mistakes import Mistakes, describe, find_mistakes
from openoutcry.config.schema import ConnectorSettings, SecretSource, Settings

EXAMPLE = """\
[connectors.binance]
exchange = "binance"
trading_pairs = ["BTC-USDT", "ETH-USDT"]"""


def load_settings(path: Path | str, known: Mapping[str, Sequence[str]]) -> Settings:
    """Read a config file. `known` names the exchanges and, for each, its domains.

    Raises:
        ConfigError: there is no such file, it is no TOML, or it holds mistakes; all of them are listed.
    """
    path = Path(path)
    source = str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no such file; make it with these lines to begin with:\n\n{EXAMPLE}\n", source=source
        ) from None
    except IsADirectoryError:
        raise ConfigError("this is a folder; name the config file in it", source=source) from None
    except UnicodeDecodeError:
        raise ConfigError("this is not UTF-8 text; save it as UTF-8", source=source) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise ConfigError(f"it cannot be read: {reason or 'no usable path'}", source=source) from None
    try:
        mapping = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The cause is not chained: newer Pythons keep the whole document, literal secrets included, in the exception.
        raise ConfigError(f"this is not TOML: {error}", source=source) from None
    except (ValueError, RecursionError):
        raise ConfigError(
            "this is not TOML: a number is too long, or brackets are nested too deep", source=source
        ) from None
    return settings_from_mapping(mapping, path.absolute().parent, known, source=source)


def settings_from_mapping(
    mapping: Mapping[str, Any], base_directory: Path, known: Mapping[str, Sequence[str]], *, source: str = ""
) -> Settings:
    """Check a config that is already a mapping. Relative paths in it are taken from `base_directory`.

    Raises:
        ConfigError: it holds mistakes; all of them are listed.
    """
    mistakes = find_mistakes(mapping, known)
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(mapping)
    except ValidationError as error:
        _add_schema_mistakes(mistakes, mapping, error)
    except (RecursionError, OverflowError):
        mistakes.add((), "a number is too long, or the nesting is too deep")
    if settings is None or mistakes:
        raise ConfigError(*mistakes.sentences(), source=source) from None
    return _with_absolute_paths(settings, base_directory)


def _add_schema_mistakes(mistakes: Mistakes, mapping: Mapping[str, Any], error: ValidationError) -> None:
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        # A value_error is a rule of several keys: `find_mistakes` has said it, in better words.
        if detail["type"] != "value_error":
            describe(mistakes, mapping, detail["loc"], detail["type"])
    if not mistakes:
        mistakes.add((), "this is not a config; begin with [connectors.NAME]")


def _with_absolute_paths(settings: Settings, base_directory: Path) -> Settings:
    base = base_directory.absolute()

    def secret(source: SecretSource | None) -> SecretSource | None:
        if source is None or source.file is None:
            return source
        return source.model_copy(update={"file": _absolute(base, source.file)})

    def connector(one: ConnectorSettings) -> ConnectorSettings:
        journal = None if one.journal is None else _absolute(base, one.journal)
        update = {"journal": journal, "api_key": secret(one.api_key), "api_secret": secret(one.api_secret)}
        return one.model_copy(update=update)

    return settings.model_copy(
        update={
            "connectors": {name: connector(one) for name, one in settings.connectors.items()},
            "state_directory": _absolute(base, settings.state_directory),
        }
    )


def _absolute(base: Path, path: Path) -> Path:
    try:
        return base / path.expanduser()
    except RuntimeError:  # no such person's home: leave the ~ as it stands, opening it will say so
        return base / path
