"""Budgets: what leaves never exceeds what the exchange allows, by the exchange's own count."""

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.actors.exchange.rate_limiter import FREE, RateLimiter
from openoutcry.messages.rest import Purpose
from openoutcry.messages.trading_rules import RateLimit

WEIGHT = RateLimit(name="WEIGHT", limit=100, interval_s=60.0)
ORDERS = RateLimit(name="ORDERS", limit=10, interval_s=10.0)


def limiter_with(*limits: RateLimit, reserve: float = 0.1) -> RateLimiter:
    """A limiter in its second window: what it assumed of the first is over, and its clock is the exchange's."""
    limiter = RateLimiter(limits, reserve)
    limiter.align(0.0, 0.0, 0.0)
    limiter.align(max(limit.interval_s for limit in limits) * 60, 0.0, 0.0)
    return limiter


def test_what_fits_leaves_and_what_does_not_waits_for_the_end_of_the_window() -> None:
    limiter = limiter_with(WEIGHT)
    assert limiter.ask((("WEIGHT", 90),), Purpose.QUERY, 1.0) == FREE
    assert limiter.ask((("WEIGHT", 1),), Purpose.QUERY, 1.0) == pytest.approx(59.0)
    assert "WEIGHT (100 in 60 s, 10 of them kept for cancels)" in limiter.held_up_by


def test_only_cancels_may_use_the_reserve() -> None:
    limiter = limiter_with(ORDERS)
    cost = (("ORDERS", 1),)
    assert [limiter.ask(cost, Purpose.PLACE, 0.0) for _ in range(9)] == [FREE] * 9
    assert limiter.ask(cost, Purpose.PLACE, 0.0) > 0
    assert limiter.ask(cost, Purpose.CANCEL, 0.0) == FREE
    assert limiter.ask(cost, Purpose.CANCEL, 0.0) > 0


def test_the_fullest_of_several_limits_decides_and_nothing_is_counted_of_the_others() -> None:
    limiter = limiter_with(WEIGHT, ORDERS)
    both = (("WEIGHT", 1), ("ORDERS", 9))
    assert limiter.ask(both, Purpose.PLACE, 0.0) == FREE
    assert limiter.ask((("WEIGHT", 80), ("ORDERS", 1)), Purpose.PLACE, 0.0) == pytest.approx(10.0)
    assert {name: used for name, used, _ in limiter.usage()} == {"WEIGHT": 1, "ORDERS": 9}


def test_a_request_that_costs_more_than_the_budget_never_leaves() -> None:
    assert limiter_with(ORDERS).ask((("ORDERS", 11),), Purpose.PLACE, 0.0) == math.inf


def test_a_limit_that_the_exchange_does_not_name_costs_nothing() -> None:
    assert limiter_with(ORDERS).ask((("UNHEARD_OF", 10**9),), Purpose.PLACE, 0.0) == FREE


def test_the_exchanges_count_corrects_ours_upwards_when_others_share_the_budget() -> None:
    limiter = limiter_with(WEIGHT)
    assert limiter.ask((("WEIGHT", 1),), Purpose.QUERY, 1.0) == FREE
    limiter.answered((("WEIGHT", 1),), (("WEIGHT", 90),), 1.0, 1.1)
    assert limiter.ask((("WEIGHT", 1),), Purpose.QUERY, 1.2) > 0


def test_the_exchanges_count_corrects_ours_downwards_when_a_success_is_free() -> None:
    limiter = limiter_with(ORDERS)
    for _ in range(50):
        assert limiter.ask((("ORDERS", 1),), Purpose.PLACE, 1.0) == FREE
        limiter.answered((("ORDERS", 1),), (("ORDERS", 0),), 1.0, 1.1)


def test_an_answer_to_a_request_of_the_last_window_says_nothing_of_this_one() -> None:
    limiter = limiter_with(ORDERS)
    assert limiter.ask((("ORDERS", 1),), Purpose.PLACE, 9.9) == FREE
    limiter.answered((("ORDERS", 1),), (("ORDERS", 9),), 9.9, 10.1)
    assert {name: used for name, used, _ in limiter.usage()} == {"ORDERS": 1}


def test_what_is_in_flight_at_the_end_of_a_window_counts_in_the_next() -> None:
    limiter = limiter_with(ORDERS)
    for _ in range(9):
        assert limiter.ask((("ORDERS", 1),), Purpose.PLACE, 9.99) == FREE
    assert limiter.ask((("ORDERS", 1),), Purpose.PLACE, 10.01) > 0


def test_a_request_that_never_left_costs_nothing() -> None:
    limiter = limiter_with(ORDERS)
    for _ in range(100):
        assert limiter.ask((("ORDERS", 9),), Purpose.PLACE, 0.0) == FREE
        limiter.never_sent((("ORDERS", 9),))


def test_nothing_leaves_while_the_exchange_wants_silence_not_even_a_cancel_or_what_costs_nothing() -> None:
    limiter = limiter_with(WEIGHT)
    limiter.block(50.0, "ban")
    limiter.block(20.0, "a shorter word does not lift it")
    assert limiter.ask((), Purpose.CANCEL, 49.0) == pytest.approx(1.0)
    assert limiter.held_up_by == "ban"
    assert limiter.ask((), Purpose.CANCEL, 50.0) == FREE


def test_a_new_limiter_takes_half_for_used_until_the_exchange_tells() -> None:
    limiter = RateLimiter([WEIGHT], 0.0)
    limiter.align(120.0, 0.0, 0.0)
    assert limiter.ask((("WEIGHT", 51),), Purpose.QUERY, 0.0) > 0
    assert limiter.ask((("WEIGHT", 1),), Purpose.QUERY, 0.0) == FREE
    limiter.answered((("WEIGHT", 1),), (("WEIGHT", 1),), 0.0, 0.1)
    assert limiter.ask((("WEIGHT", 99),), Purpose.QUERY, 0.2) == FREE


def test_new_limits_keep_what_is_counted() -> None:
    limiter = limiter_with(WEIGHT, reserve=0.0)
    assert limiter.ask((("WEIGHT", 60),), Purpose.QUERY, 0.0) == FREE
    limiter.set_limits([RateLimit(name="WEIGHT", limit=70, interval_s=60.0), ORDERS], 0.0)
    assert limiter.ask((("WEIGHT", 11),), Purpose.QUERY, 0.0) > 0
    assert limiter.ask((("WEIGHT", 10),), Purpose.QUERY, 0.0) == FREE


def test_a_clock_that_is_set_back_gives_no_budget_twice() -> None:
    limiter = limiter_with(ORDERS, reserve=0.0)
    assert limiter.ask((("ORDERS", 10),), Purpose.PLACE, 1.0) == FREE
    limiter.align(0.0, 1.0, 0.0)
    assert limiter.ask((("ORDERS", 1),), Purpose.PLACE, 1.0) > 0


@dataclass
class NaiveExchange:
    """Counts every request in the fixed window in which it arrives."""

    limits: tuple[RateLimit, ...]
    counts: dict[tuple[str, int], int] = field(default_factory=dict)

    def arrives(self, costs: tuple[tuple[str, int], ...], now_s: float) -> tuple[tuple[str, int], ...]:
        used = []
        for limit in self.limits:
            key = limit.name, int(now_s // limit.interval_s)
            self.counts[key] = self.counts.get(key, 0) + dict(costs).get(limit.name, 0)
            assert self.counts[key] <= limit.limit, f"{limit.name} exceeded at {now_s}"
            used.append((limit.name, self.counts[key]))
        return tuple(used)


requests = st.lists(
    st.tuples(
        st.floats(0.0, 3.0),  # pause before it
        st.floats(0.0, 8.0),  # until it arrives
        st.floats(0.0, 8.0),  # until its answer is here
        st.integers(0, 6),  # weight
        st.integers(0, 3),  # orders
        st.sampled_from(Purpose),
        st.sampled_from(["told", "told", "silent", "lost before"]),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(requests)
def test_no_budget_is_ever_exceeded_by_the_exchanges_own_count(
    plan: list[tuple[float, float, float, int, int, Purpose, str]],
) -> None:
    limits = (RateLimit(name="W", limit=20, interval_s=12.0), RateLimit(name="O", limit=6, interval_s=5.0))
    exchange = NaiveExchange(limits)
    limiter = RateLimiter(limits, 0.2)
    limiter.align(0.0, 0.0, 0.0)
    events: list[tuple[float, int, str, int]] = []
    told: dict[int, tuple[tuple[str, int], ...]] = {}
    now_s = 0.0
    for number, (pause_s, *_rest) in enumerate(plan):
        now_s += pause_s
        events.append((now_s, number, "ask", number))
    sent_s: dict[int, float] = {}
    while events:
        events.sort()
        now_s, _, what, number = events.pop(0)
        _, out_s, back_s, weight, orders, purpose, fate = plan[number]
        costs = (("W", weight), ("O", orders))
        if what == "ask":
            if limiter.ask(costs, purpose, now_s) == FREE:
                sent_s[number] = now_s
                events.append((now_s + out_s, number, "arrive", number))
        elif what == "arrive":
            if fate != "lost before":
                told[number] = exchange.arrives(costs, now_s)
            events.append((now_s + back_s, number, "answer", number))
        elif fate == "lost before":
            limiter.never_sent(costs)
        else:
            limiter.answered(costs, told[number] if fate == "told" else (), sent_s[number], now_s)
