"""Budgets of requests: counted as the exchange counts, corrected by what the exchange says. Pure.

The exchange counts in fixed windows of its own clock (Binance: each minute, each ten seconds, each day), several at
once.
What is known of a window is, in this order of trust:

- `seen`: the highest usage that an answer's headers told of requests sent in this window;
- `unseen`: the costs of answers that told no usage, and of those that came after the window in which they were sent;
- `in_flight`: the costs of requests that are not answered yet. They survive the end of a window: the exchange may count
  them in the next one.

Their sum never falls below what the exchange has counted of us, provided our reading of its clock is right to within
`margin_s`. It may be above: then requests wait that need not.

A limiter knows nothing at its birth of what an earlier one has used. Until a header tells, or the window ends, it takes
half of each budget for used.

Times are seconds of a monotonic clock; `align` says where the exchange's clock stands on it.
"""

import math
from collections.abc import Iterable

from openoutcry.messages.rest import Purpose
from openoutcry.messages.trading_rules import RateLimit

Costs = tuple[tuple[str, int], ...]
"""(name of the limit, weight)."""

FREE = 0.0
"""What `RateLimiter.ask` returns when the request may leave now."""

_ASSUMED_SHARE = 0.5


class _Budget:
    """One limit in its present window."""

    __slots__ = (
        "assumed",
        "in_flight",
        "interval_s",
        "limit",
        "name",
        "seen",
        "unseen",
        "usable",
        "window",
        "window_end_s",
    )

    def __init__(self, limit: RateLimit, reserve: float, assumed_share: float) -> None:
        self.name = limit.name
        self.interval_s = limit.interval_s
        self.limit = 0
        self.usable = 0
        self.assumed = int(limit.limit * assumed_share)
        self.set_limit(limit.limit, reserve)
        self.seen = 0
        self.unseen = 0
        self.in_flight = 0
        self.window: float | None = None
        self.window_end_s = -math.inf

    def set_limit(self, limit: int, reserve: float) -> None:
        self.limit = limit
        self.usable = limit - math.ceil(limit * reserve)
        self.assumed = min(self.assumed, int(limit * _ASSUMED_SHARE))

    @property
    def used(self) -> int:
        return self.seen + self.unseen + self.assumed + self.in_flight

    def roll(self, now_s: float, exchange_ahead_s: float) -> None:
        """Enter the window in which `now_s` lies."""
        window = (now_s + exchange_ahead_s) // self.interval_s
        self.window_end_s = (window + 1) * self.interval_s - exchange_ahead_s
        if self.window is None or window > self.window:
            if self.window is not None:
                self.assumed = 0
            self.seen = self.unseen = 0
        # An earlier window than before: our reading of the exchange's clock was corrected. What was counted stays.
        self.window = window


class RateLimiter:
    """Says of each request when it may leave."""

    def __init__(self, limits: Iterable[RateLimit], reserve_for_cancels: float) -> None:
        self._reserve = reserve_for_cancels
        self._budgets = {limit.name: _Budget(limit, reserve_for_cancels, _ASSUMED_SHARE) for limit in limits}
        self._exchange_ahead_s = 0.0
        self._margin_s = 0.05
        self.blocked_until_s = -math.inf
        """Until then nothing may leave, on the exchange's order."""
        self.blocked_by = ""
        self.held_up_by = ""
        """What the last `ask` that did not return `FREE` has to wait for, as part of a sentence."""

    def align(self, exchange_time_s: float, now_s: float, margin_s: float = 0.05) -> None:
        """Say what the exchange's clock shows at `now_s`, to within `margin_s`; windows are counted by it."""
        self._exchange_ahead_s = exchange_time_s - now_s
        self._margin_s = margin_s
        for budget in self._budgets.values():
            budget.roll(now_s, self._exchange_ahead_s)

    def set_limits(self, limits: Iterable[RateLimit], now_s: float) -> None:
        """Take the exchange's word on what it limits. What is counted of a known limit stays."""
        known = self._budgets
        self._budgets = {}
        for limit in limits:
            budget = known.get(limit.name)
            if budget is None or budget.interval_s != limit.interval_s:
                budget = _Budget(limit, self._reserve, 0.0)
                budget.roll(now_s, self._exchange_ahead_s)
            else:
                budget.set_limit(limit.limit, self._reserve)
            self._budgets[limit.name] = budget

    def ask(self, costs: Costs, purpose: Purpose, now_s: float) -> float:
        """`FREE`, and the costs are counted as in flight; or how many seconds to wait before asking again.

        Infinite when the request costs more than the whole budget. Every request that was let go is told about later,
        by `answered` or `never_sent`. A limit that the exchange does not name costs nothing.
        """
        wait = self.wait_s(costs, purpose, now_s)
        if wait == FREE:
            budgets = self._budgets
            for name, cost in costs:
                budget = budgets.get(name)
                if budget is not None:
                    budget.in_flight += cost
        return wait

    def wait_s(self, costs: Costs, purpose: Purpose, now_s: float) -> float:
        """What `ask` would return; nothing is counted."""
        if now_s < self.blocked_until_s:
            self.held_up_by = self.blocked_by
            return self.blocked_until_s - now_s
        longest = FREE
        budgets = self._budgets
        for name, cost in costs:
            budget = budgets.get(name)
            if budget is None:
                continue
            if now_s >= budget.window_end_s:
                budget.roll(now_s, self._exchange_ahead_s)
            allowed = budget.limit if purpose is Purpose.CANCEL else budget.usable
            if budget.seen + budget.unseen + budget.assumed + budget.in_flight + cost <= allowed:
                continue
            wait = math.inf if cost > allowed else budget.window_end_s - now_s
            if wait > longest:
                longest = wait
                reserve = budget.limit - allowed
                kept = f", {reserve} of them kept for cancels" if reserve else ""
                self.held_up_by = f"rate limit {name} ({budget.limit} in {budget.interval_s:g} s{kept})"
        return longest

    def exhausted(self, costs: Costs, purpose: Purpose) -> frozenset[str]:
        """Names of the limits that hold such a request up, by the windows of the last `ask`."""
        return frozenset(
            name
            for name, cost in costs
            if (budget := self._budgets.get(name)) is not None
            and budget.used + cost > (budget.limit if purpose is Purpose.CANCEL else budget.usable)
        )

    def answered(self, costs: Costs, used: Iterable[tuple[str, int]], sent_s: float, now_s: float) -> None:
        """A request that left at `sent_s` has its answer, or will never have one; `used` is what its headers tell."""
        told: set[str] = set()
        budgets = self._budgets
        for name, usage in used:
            budget = budgets.get(name)
            if budget is None:
                continue
            if now_s >= budget.window_end_s:
                budget.roll(now_s, self._exchange_ahead_s)
            # A header speaks of the window in which the exchange got the request. Near the edge that may be the last
            # one.
            if sent_s >= budget.window_end_s - budget.interval_s + self._margin_s:
                told.add(name)
                budget.assumed = 0
                if usage > budget.seen:
                    budget.seen = usage
        for name, cost in costs:
            budget = budgets.get(name)
            if budget is None:
                continue
            if now_s >= budget.window_end_s:
                budget.roll(now_s, self._exchange_ahead_s)
            budget.in_flight = max(0, budget.in_flight - cost)
            if name not in told:
                budget.unseen += cost

    def never_sent(self, costs: Costs) -> None:
        """A request that was let go did not leave after all."""
        for name, cost in costs:
            budget = self._budgets.get(name)
            if budget is not None:
                budget.in_flight = max(0, budget.in_flight - cost)

    def block(self, until_s: float, why: str) -> None:
        """The exchange forbids every request until then. A shorter order does not lift a longer one."""
        if until_s > self.blocked_until_s:
            self.blocked_until_s = until_s
            self.blocked_by = why

    def exhaust(self, costs: Costs) -> None:
        """The exchange says that a budget of this request is spent, and not which nor until when: all of them are."""
        for name, cost in costs:
            budget = self._budgets.get(name)
            if budget is not None and cost > 0:
                budget.seen = max(budget.seen, budget.limit)

    def usage(self) -> tuple[tuple[str, int, int], ...]:
        """(name, used as far as known, limit) of each limit."""
        return tuple((budget.name, budget.used, budget.limit) for budget in self._budgets.values())
