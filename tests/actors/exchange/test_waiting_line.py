"""The line in front of the rate limits: who goes first, who waits for whom, who is told that it takes too long."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.actors.exchange.rate_limiter import RateLimiter
from openoutcry.actors.exchange.waiting_line import WaitingLine
from openoutcry.messages.rest import Purpose
from openoutcry.messages.trading_rules import RateLimit

WEIGHT = RateLimit(name="WEIGHT", limit=10, interval_s=60.0)
ORDERS = RateLimit(name="ORDERS", limit=2, interval_s=10.0)
ONE = (("WEIGHT", 1),)


def line_with(*limits: RateLimit, reserve: float = 0.0) -> tuple[WaitingLine[str], RateLimiter]:
    limiter = RateLimiter(limits, reserve)
    limiter.align(0.0, 0.0, 0.0)
    limiter.align(600.0, 0.0, 0.0)
    return WaitingLine(limiter), limiter


def fill(limiter: RateLimiter, costs: tuple[tuple[str, int], ...], now_s: float = 0.0) -> None:
    """Use a budget up, with the answers here: nothing of it counts in the next window."""
    assert limiter.ask(costs, Purpose.CANCEL, now_s) == 0
    limiter.answered(costs, (), now_s, now_s)


def test_cancels_go_first_then_orders_questions_and_market_data_each_by_their_coming() -> None:
    line, limiter = line_with(WEIGHT)
    fill(limiter, (("WEIGHT", 10),))
    for number, purpose in enumerate([*reversed(Purpose), *Purpose]):
        assert line.enter(f"{purpose} {number}", ONE, purpose, 0.0, 100.0) is False
    released = line.look(60.0)
    assert [item.rpartition(" ")[0] for item in released.ready] == [
        "cancel", "cancel", "place", "place", "query", "query", "market data", "market data",
    ]  # fmt: skip
    assert list(released.ready) == sorted(
        released.ready, key=lambda item: (["c", "p", "q", "m"].index(item[0]), int(item.rpartition(" ")[2]))
    )


def test_a_newcomer_does_not_overtake_one_of_its_own_rank() -> None:
    line, limiter = line_with(WEIGHT)
    fill(limiter, (("WEIGHT", 8),))
    assert line.enter("large", (("WEIGHT", 5),), Purpose.QUERY, 0.0, 100.0) is False
    assert line.enter("small", ONE, Purpose.QUERY, 0.0, 100.0) is False
    assert line.enter("more urgent", ONE, Purpose.PLACE, 0.0, 100.0) is True
    assert line.look(60.0).ready == ("large", "small")


def test_a_question_does_not_wait_because_orders_have_used_up_what_is_particular_to_orders() -> None:
    line, limiter = line_with(WEIGHT, ORDERS)
    fill(limiter, (("ORDERS", 2),))
    assert line.enter("order", (("WEIGHT", 1), ("ORDERS", 1)), Purpose.PLACE, 0.0, 100.0) is False
    assert line.enter("question", ONE, Purpose.QUERY, 0.0, 100.0) is True
    released = line.look(0.0)
    assert released.ready == ()
    assert line.next_look_s == 10.0


def test_a_cancel_gets_through_while_others_wait() -> None:
    line, limiter = line_with(WEIGHT, reserve=0.2)
    assert limiter.ask((("WEIGHT", 8),), Purpose.PLACE, 0.0) == 0
    assert line.enter("order", ONE, Purpose.PLACE, 0.0, 100.0) is False
    assert line.enter("cancel", ONE, Purpose.CANCEL, 0.0, 100.0) is True


def test_who_would_wait_beyond_the_deadline_is_told_at_once_and_what_for() -> None:
    line, limiter = line_with(WEIGHT)
    fill(limiter, (("WEIGHT", 10),))
    assert line.enter("hurried", ONE, Purpose.QUERY, 0.0, 59.0) is None
    assert "WEIGHT" in line.held_up_by
    assert len(line) == 0


def test_a_ban_gives_up_all_who_cannot_wait_that_long() -> None:
    line, limiter = line_with(WEIGHT)
    fill(limiter, (("WEIGHT", 10),))
    assert line.enter("patient", ONE, Purpose.QUERY, 0.0, 500.0) is False
    assert line.enter("hurried", ONE, Purpose.CANCEL, 0.0, 70.0) is False
    limiter.block(200.0, "ban")
    released = line.look(1.0)
    assert released.too_late == (("hurried", "ban"),)
    assert line.next_look_s == 200.0
    assert line.look(200.0).ready == ("patient",)
    assert line.next_look_s == math.inf


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 4), st.integers(0, 4), st.integers(0, 2), st.sampled_from(Purpose), st.floats(0, 90)),
        max_size=40,
    )
)
def test_everybody_gets_an_answer_by_the_deadline_and_nobody_two(
    plan: list[tuple[float, int, int, Purpose, float]],
) -> None:
    limits = (RateLimit(name="W", limit=8, interval_s=20.0), RateLimit(name="O", limit=3, interval_s=7.0))
    limiter = RateLimiter(limits, 0.25)
    limiter.align(0.0, 0.0, 0.0)
    line: WaitingLine[int] = WaitingLine(limiter)
    deadlines: dict[int, float] = {}
    over: list[int] = []

    def look(at_s: float) -> None:
        released = line.look(at_s)
        for item in released.ready:
            assert at_s <= deadlines[item] + 1e-6
            limiter.answered(costs_of[item], (), at_s, at_s)
        over.extend((*released.ready, *(item for item, _ in released.too_late)))

    now_s = 0.0
    costs_of: dict[int, tuple[tuple[str, int], ...]] = {}
    for number, (pause_s, weight, orders, purpose, patience_s) in enumerate(plan):
        now_s += pause_s
        while line.next_look_s <= now_s:
            look(line.next_look_s + 1e-9)
        costs_of[number] = (("W", weight), ("O", orders))
        deadlines[number] = now_s + patience_s
        entered = line.enter(number, costs_of[number], purpose, now_s, deadlines[number])
        if entered is not False:
            over.append(number)
            if entered:
                limiter.answered(costs_of[number], (), now_s, now_s)
    looks = 0
    while line.next_look_s < math.inf:
        look(line.next_look_s + 1e-9)
        looks += 1
        assert looks < 1000
    assert sorted(over) == list(range(len(plan)))
