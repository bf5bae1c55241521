"""What can be wrong with a config, said to the person who wrote it: the key's path, and what is allowed.

Rule 1: no value is shown of a key that may hold a secret, nor of a key that is not known.
Rule 2: one mistake, one sentence: the first one found for a key is kept.
"""

import difflib
import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from openoutcry.config.schema import ConnectorName, ConnectorSettings, SecretSource, Settings, TradingPair

Path = tuple[str | int, ...]

_SECRETS = ("api_key", "api_secret")
_SHOWN = frozenset({"exchange", "domain", "trading_pairs"}) | {
    name
    for name in ConnectorSettings.model_fields
    if name.endswith("_s") or name in ("max_restarts", "reserve_for_cancels")
}
"""Keys whose values may be shown. Not those with paths or URLs: a password may stand in them."""
_SOURCES = '{ env = "NAME" }, { file = "PATH" } or { keyring = "SERVICE/NAME" }'
_QUOTES = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USD", "EUR", "GBP", "TRY", "BTC", "ETH", "BNB")
_LONGEST_SHOWN = 40


class Mistakes:
    """Mistakes found so far, by the key that they are about."""

    def __init__(self) -> None:
        self._by_path: dict[Path, str] = {}

    def __bool__(self) -> bool:
        return bool(self._by_path)

    def __contains__(self, path: object) -> bool:
        return path in self._by_path

    def add(self, path: Path, text: str) -> None:
        """Note a mistake, unless one is noted for this key."""
        self._by_path.setdefault(path, text)

    def sentences(self) -> list[str]:
        """One sentence a mistake, those of one connector together."""
        ordered = sorted(self._by_path.items(), key=lambda item: [str(part) for part in item[0][:2]])
        return [f"{_spell(path)}: {text}" if path else text for path, text in ordered]


def find_mistakes(mapping: Mapping[str, Any], known: Mapping[str, Sequence[str]]) -> Mistakes:
    """Everything that takes more than one key, or knowledge of the exchanges, to see."""
    mistakes = Mistakes()
    connectors = mapping.get("connectors")
    if connectors is None or connectors == {}:
        mistakes.add(("connectors",), "name at least one connector: begin with [connectors.NAME]")
    if isinstance(connectors, Mapping):
        journals: dict[str, str] = {}
        for name, connector in connectors.items():
            if isinstance(connector, Mapping):
                path: Path = ("connectors", _key(name))
                _check_exchange(mistakes, path, connector, known)
                _check_pairs(mistakes, path, connector)
                _check_secrets(mistakes, path, connector)
                _check_journal(mistakes, path, connector, journals)
    return mistakes


def describe(mistakes: Mistakes, mapping: Mapping[str, Any], location: tuple[int | str, ...], kind: str) -> None:
    """Note what the schema found at a location of the mapping."""
    if not location:  # text that is no Unicode: the schema does not say where
        mistakes.add((), "this is not a config; begin with [connectors.NAME]")
        return
    if location[0] == "connectors" and location[2:] == ("[key]",) and kind != "extra_forbidden":
        mistakes.add(location[:2], f"the name {_show(location[1])} is not {_described(ConnectorName)}")
        return
    path, field = location, _field_at(location)
    if kind == "extra_forbidden":
        model = _model_at(location[:-1])
        near = _near(str(location[-1]), model.model_fields if model else ())
        allowed = f"; known keys: {', '.join(model.model_fields)}" if model and not near else ""
        mistakes.add(path, f"there is no such key{near}{allowed}")
    elif kind == "missing":
        mistakes.add(path, "is missing")
    elif _is_secret(path):
        if len(path) <= 3:
            mistakes.add(path, f"write {_SOURCES}")
        else:
            mistakes.add(path, f"is not {_described(field)}")
    elif _model_at(path) is not None or path == ("connectors",):
        mistakes.add(path, f"must be a table: write [{_spell(path)}{'.NAME' if path == ('connectors',) else ''}]")
    else:
        value = _value_at(mapping, path)
        shown = f"{_show(value)} " if _may_be_shown(path, value) else ""
        mistakes.add(path, f"{shown}is not {_described(field)}")


def _check_exchange(
    mistakes: Mistakes, path: Path, connector: Mapping[str, Any], known: Mapping[str, Sequence[str]]
) -> None:
    exchange = connector.get("exchange")
    if exchange is None:
        mistakes.add((*path, "exchange"), f"is missing; name one of {', '.join(known)}")
        return
    if not isinstance(exchange, str):
        return
    if exchange not in known:
        mistakes.add((*path, "exchange"), _not_one_of(exchange, known))
        return
    domain = connector.get("domain")
    if isinstance(domain, str) and domain not in known[exchange]:
        mistakes.add((*path, "domain"), _not_one_of(domain, known[exchange]))


def _check_pairs(mistakes: Mistakes, path: Path, connector: Mapping[str, Any]) -> None:
    pairs = connector.get("trading_pairs")
    if isinstance(pairs, str):
        mistakes.add((*path, "trading_pairs"), f"{_show(pairs)} is not a list; write [{_show(pairs)}]")
    if not isinstance(pairs, list | tuple):
        return
    first_seen: dict[str, int] = {}
    for position, pair in enumerate(pairs):
        if not isinstance(pair, str):
            continue
        suggestion = _as_trading_pair(pair)
        if suggestion:
            text = f"{_show(pair)} is not {_described(TradingPair)} (did you mean {_show(suggestion)}?)"
            mistakes.add((*path, "trading_pairs", position), text)
        elif pair in first_seen:
            earlier = _spell((*path, "trading_pairs", first_seen[pair]))
            mistakes.add((*path, "trading_pairs", position), f"{_show(pair)} stands in {earlier} already; name it once")
        else:
            first_seen[pair] = position


def _check_secrets(mistakes: Mistakes, path: Path, connector: Mapping[str, Any]) -> None:
    for name in _SECRETS:
        source = connector.get(name)
        if isinstance(source, str | bytes | int | float):
            mistakes.add((*path, name), f"a secret never stands in the config itself: write {_SOURCES}")
        elif isinstance(source, Mapping):
            named = [key for key in SecretSource.model_fields if source.get(key) is not None]
            if len(named) > 1:
                mistakes.add((*path, name), f"names {' and '.join(named)}; name exactly one of env, file, keyring")
            elif not named and not set(source) - set(SecretSource.model_fields):
                mistakes.add((*path, name), f"says nothing: write {_SOURCES}")
            elif _looks_like_a_secret(source.get("env")):
                text = "is not the name of an environment variable but looks like the secret itself: name the variable"
                mistakes.add((*path, name, "env"), text)
    given = [name for name in _SECRETS if connector.get(name) is not None]
    if len(given) == 1:
        other = _SECRETS[1 - _SECRETS.index(given[0])]
        text = f"is missing, and {given[0]} is given: name both, or neither for market data only"
        mistakes.add((*path, other), text)


def _check_journal(mistakes: Mistakes, path: Path, connector: Mapping[str, Any], journals: dict[str, str]) -> None:
    journal = connector.get("journal")
    if isinstance(journal, str):
        owner = journals.setdefault(journal, _spell(path))
        if owner != _spell(path):
            mistakes.add((*path, "journal"), f"is the journal of {owner} already; each connector needs its own")


def _looks_like_a_secret(name: object) -> bool:
    # Exchanges' keys are 64 letters and digits without a separator; nobody names a variable like that.
    return isinstance(name, str) and len(name) >= 30 and "_" not in name


def _as_trading_pair(text: str) -> str | None:
    """What may have been meant by a text that is no trading pair but nearly one."""
    for separator in ("/", "_", ":"):
        base, found, quote = text.partition(separator)
        if found and base.isalnum() and quote.isalnum():
            return f"{base}-{quote}".upper()
    if text.isalnum():
        for quote in _QUOTES:
            if text.upper().endswith(quote) and len(text) > len(quote):
                return f"{text[: -len(quote)]}-{quote}".upper()
    return None


def _not_one_of(value: str, allowed: Iterable[str]) -> str:
    return f"{_show(value)} is not one of {', '.join(allowed)}{_near(value, allowed)}"


def _near(value: str, allowed: Iterable[str]) -> str:
    by_lower = {name.lower(): name for name in allowed}
    close = difflib.get_close_matches(value[:100].lower(), by_lower, n=1)
    return f' (did you mean "{by_lower[close[0]]}"?)' if close else ""


def _key(name: object) -> str | int:
    return name if isinstance(name, str | int) else str(name)


def _show(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, str | int | float) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _spell(path: Path) -> str:
    spelled = ""
    for part in path:
        if isinstance(part, int):
            spelled += f"[{part}]"
        else:
            is_bare = part.replace("_", "").replace("-", "").isalnum() and part.isascii()
            spelled += f"{'.' if spelled else ''}{part if is_bare else _show(part)}"
    return spelled


def _is_secret(path: Path) -> bool:
    return len(path) > 2 and path[2] in _SECRETS


def _may_be_shown(path: Path, value: object) -> bool:
    return len(path) > 2 and path[2] in _SHOWN and isinstance(value, str | int | float)


def _value_at(mapping: Mapping[str, Any], path: Path) -> object:
    value: Any = mapping
    for part in path:
        try:
            value = value[part]
        except (LookupError, TypeError):
            return None
    return value


def _model_at(path: Path) -> type[BaseModel] | None:
    """The model that describes the table at this path."""
    if not path:
        return Settings
    if path[0] != "connectors":
        return None
    if len(path) == 2:
        return ConnectorSettings
    return SecretSource if len(path) == 3 and path[2] in _SECRETS else None


def _field_at(path: Path) -> object:
    """What the schema says of the key at this path: a field, or the annotated type of a list's element."""
    if len(path) > 3 and path[2] == "trading_pairs":
        return TradingPair
    model = _model_at(path[:-1])
    return model.model_fields.get(str(path[-1])) if model and path else None


def _described(field: object) -> str:
    """The description in a field or an annotated type, also where it is one of a union."""
    description = _description(field)
    return description or "allowed here"


def _description(field: object) -> str | None:
    if isinstance(field, FieldInfo):
        return field.description or _description(field.annotation)
    for metadata in getattr(field, "__metadata__", ()):
        if isinstance(metadata, FieldInfo):
            return metadata.description
    if isinstance(field, types.UnionType) or typing.get_origin(field) is typing.Union:
        return next(filter(None, map(_description, typing.get_args(field))), None)
    return None
