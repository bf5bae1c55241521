"""A pytest plugin that runs a part of Thespian's own test suite on the system base named by OPENOUTCRY_SUITE_BASE.

Loaded with `-p` into a pytest of its own by test_thespian_suite.py. Only the making of the actor systems is replaced:
the tests are Thespian's, unchanged. Ours keeps the base name 'simpleSystemBase', since the suite branches on the name
and what holds for that base (one process, no conventions, no watch) holds for ours.

Nearly all of the suite's time is spent sleeping, so it is dealt out to several processes (OPENOUTCRY_SUITE_PART is
"2/6", say), the longest tests first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import thespian.test
from thespian.actors import ActorSystem

from openoutcry.actors.system import AsyncioSystemBase

_ON_ASYNCIO = os.environ["OPENOUTCRY_SUITE_BASE"] == "AsyncioSystemBase"
_CAPABILITIES = {"Foo Allowed": True, "Cows Allowed": True, "Dogs Allowed": True, "dog": "food"}


def _make_system(capabilities: dict[str, Any]) -> Any:
    if _ON_ASYNCIO:
        system = ActorSystem(systemBase=AsyncioSystemBase(capabilities), transientUnique=True)
    else:
        system = ActorSystem("simpleSystemBase", capabilities, logDefs=False, transientUnique=True)
    system.base_name = "simpleSystemBase"
    system.port_num = None
    system.txonly = False
    return system


def _similar_system(
    asys: Any, in_convention: bool = True, start_wait: bool = True, capabilities: dict[str, Any] | None = None
) -> Any:
    return _make_system(dict(capabilities or {}))


@pytest.fixture(params=["system"])
def asys() -> Iterator[Any]:
    system = _make_system(dict(_CAPABILITIES))
    yield system
    system.shutdown()


_SECONDS = {
    "testSmallHive_Adj": 27.0,
    "test_troupe": 6.0,
    "private_context_ask": 4.0,
    "test_threadedActor": 2.0,
    "test_deadLettering": 1.5,
    "test_runcommand": 1.5,
    "test_typeDispatcher": 1.5,
    "test_sourceLoading": 0.8,
}


def _expected_seconds(item: pytest.Item) -> float:
    return next((seconds for part, seconds in _SECONDS.items() if part in item.nodeid), 0.2)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    part, _, parts = os.environ.get("OPENOUTCRY_SUITE_PART", "0/1").partition("/")
    dealt: list[set[str]] = [set() for _ in range(int(parts))]
    seconds = [0.0] * int(parts)
    for item in sorted(items, key=_expected_seconds, reverse=True):
        shortest = seconds.index(min(seconds))
        dealt[shortest].add(item.nodeid)
        seconds[shortest] += _expected_seconds(item)
    mine = dealt[int(part)]
    items[:] = [item for item in items if item.nodeid in mine]


# The test modules take both names from thespian.test as they are imported, which is after this plugin.
thespian.test.asys = asys
thespian.test.similar_asys = _similar_system
