"""Requests that wait for a rate limit: cancels first, then orders, questions, market data; else by their coming.

A request waits behind those of its own or a higher rank only where they wait for the same limit: a question need not
wait because orders have used up what is particular to orders. Pure.
"""

import math
from bisect import insort
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from openoutcry.actors.exchange.rate_limiter import FREE, Costs, RateLimiter
from openoutcry.messages.rest import Purpose

_RANK = {Purpose.CANCEL: 0, Purpose.PLACE: 1, Purpose.QUERY: 2, Purpose.MARKET_DATA: 3}

_Item = TypeVar("_Item")


@dataclass(slots=True, order=True)
class _Waiting(Generic[_Item]):
    rank: int
    number: int
    item: _Item = field(compare=False)
    costs: Costs = field(compare=False)
    purpose: Purpose = field(compare=False)
    deadline_s: float = field(compare=False)
    held_up_by: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Released(Generic[_Item]):
    """What a look at the line came to."""

    ready: tuple[_Item, ...]
    """They may leave now; their costs are counted."""
    too_late: tuple[tuple[_Item, str], ...]
    """They would wait beyond their deadline, each with what for."""


class WaitingLine(Generic[_Item]):
    """The line in front of a `RateLimiter`."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter
        self._line: list[_Waiting[_Item]] = []
        self._number = 0
        self.held_up_by = ""
        """Why the last `enter` did not return True."""
        self.next_look_s = math.inf
        """When to look again; infinite when nobody waits."""

    def __len__(self) -> int:
        return len(self._line)

    def enter(self, item: _Item, costs: Costs, purpose: Purpose, now_s: float, deadline_s: float) -> bool | None:
        """True: it may leave now, its costs are counted. False: it waits. None: it would have to wait too long."""
        rank = _RANK[purpose]
        wait = FREE
        if self._line:
            wait = self._behind_others(costs, rank, now_s)
        if wait == FREE:
            wait = self._limiter.ask(costs, purpose, now_s)
            if wait == FREE:
                return True
            self.held_up_by = self._limiter.held_up_by
        if now_s + wait > deadline_s:
            return None
        self._number += 1
        self.next_look_s = min(self.next_look_s, now_s + wait, deadline_s)
        insort(self._line, _Waiting(rank, self._number, item, costs, purpose, deadline_s, self.held_up_by))
        return False

    def look(self, now_s: float) -> Released[_Item]:
        """Let go who may go, and give up those whose deadline comes first."""
        ready: list[_Item] = []
        too_late: list[tuple[_Item, str]] = []
        staying: list[_Waiting[_Item]] = []
        taken: set[str] = set()
        next_look_s = math.inf
        limiter = self._limiter
        for waiting in self._line:
            behind = not taken.isdisjoint(name for name, _cost in waiting.costs)
            wait = 0.0
            if not behind:
                wait = limiter.ask(waiting.costs, waiting.purpose, now_s)
                if wait == FREE:
                    ready.append(waiting.item)
                    continue
                waiting.held_up_by = limiter.held_up_by
            if now_s + wait > waiting.deadline_s or now_s >= waiting.deadline_s:
                too_late.append((waiting.item, waiting.held_up_by))
                continue
            staying.append(waiting)
            taken |= limiter.exhausted(waiting.costs, waiting.purpose)
            next_look_s = min(next_look_s, waiting.deadline_s, math.inf if behind else now_s + wait)
        self._line = staying
        self.next_look_s = next_look_s
        return Released(tuple(ready), tuple(too_late))

    def _behind_others(self, costs: Costs, rank: int, now_s: float) -> float:
        """How long to wait at least because somebody of this or a higher rank waits for one of the same limits."""
        names = {name for name, _cost in costs}
        for waiting in self._line:
            if waiting.rank > rank:
                break
            shared = names & self._limiter.exhausted(waiting.costs, waiting.purpose)
            if shared:
                self.held_up_by = waiting.held_up_by
                # Its own wait is known when its turn comes; that of the one before it is the least.
                return self._limiter.wait_s(waiting.costs, waiting.purpose, now_s)
        return FREE
