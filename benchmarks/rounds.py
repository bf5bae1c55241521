"""What the benchmarks share: candidates that take turns, the best round of each, cores, progress.

The machine may be shared: whatever else it does only ever slows a candidate down. So the candidates take turns (A B C
A B C), each in as many rounds as the others, and each figure is the best of its rounds, of all in the same way. All
rounds stand beside it, as the spread.
"""

import importlib.util
import os
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

METHOD = "best of the rounds; the candidates take turns"


def tell(text: str) -> None:
    """Progress, on stderr: stdout has the figures alone."""
    print(text, file=sys.stderr, flush=True)


def pin(core: int) -> None:
    """Keep this process on one core of those that it may use: the first (0), or the last (-1)."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})


def missing(package: str | None) -> dict[str, Any] | None:
    """The row of a candidate whose package is not installed; None if it is."""
    if package is None or importlib.util.find_spec(package) is not None:
        return None
    return {"missing": f"{package} is not installed"}


def take_turns(
    names: Collection[str], rounds: int, measure: Callable[[str], dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """The rows of each candidate, by name. One that is missing is not tried again."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(1, rounds + 1):
        for name in names:
            if any("missing" in row for row in rows[name]):
                continue
            tell(f"  round {number} of {rounds}: {name}")
            rows[name].append(measure(name))
    return rows


def best(rows: list[dict[str, Any]], more_is_better: Collection[str] = ()) -> dict[str, Any]:
    """One row: the best of each figure, and all rounds of each under `rounds`. Texts are those of the last round."""
    for row in rows:
        if "missing" in row:
            return row
    summary: dict[str, Any] = {}
    spread: dict[str, list[float]] = {}
    for name in rows[-1]:
        values = [row[name] for row in rows if name in row]
        if isinstance(values[0], int | float):
            summary[name] = max(values) if name in more_is_better else min(values)
            spread[name] = values
        else:
            summary[name] = values[-1]
    return {**summary, "rounds": spread}


def spread_of(row: Mapping[str, Any], name: str, scale: float = 1.0, digits: int = 0) -> str:
    """The least and the most of a figure's rounds: `52,000–61,000`."""
    values = [value * scale for value in row["rounds"][name]]
    return f"{min(values):,.{digits}f}–{max(values):,.{digits}f}"
