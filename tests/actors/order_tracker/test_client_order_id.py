"""Client order ids: unique, rising, and fit for the exchange."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.actors.order_tracker.client_order_id import ClientOrderIdError, ClientOrderIds, new_nonce
from openoutcry.exchanges.dialect import ClientOrderIdRule

BINANCE = ClientOrderIdRule(
    prefix="x-oo", max_length=36, alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
)
NOW_MS = 1_767_225_600_000


@given(times=st.lists(st.integers(NOW_MS - 10_000, NOW_MS + 10_000), min_size=1, max_size=50))
def test_ids_are_unique_whatever_the_clock_does(times: list[int]) -> None:
    ids = ClientOrderIds(BINANCE, "nonce12")
    made = [ids.next(now_ms) for now_ms in times]
    numbers = [number for number, _ in made]
    assert numbers == sorted(set(numbers))
    assert len({text for _, text in made}) == len(times)


@pytest.mark.parametrize(
    "rule",
    [
        BINANCE,
        ClientOrderIdRule(prefix="", max_length=32, alphabet="0123456789abcdef"),
        ClientOrderIdRule(prefix="t-", max_length=30, alphabet="0123456789"),
    ],
)
def test_ids_fit_the_exchanges_rule(rule: ClientOrderIdRule) -> None:
    nonce = new_nonce(rule, random.Random(1))
    _, text = ClientOrderIds(rule, nonce).next(2**53 // 1000)
    assert text.startswith(rule.prefix)
    assert len(text) <= rule.max_length
    assert set(text[len(rule.prefix) :]) <= set(rule.alphabet)


def test_ids_go_on_from_the_newest_that_was_used() -> None:
    first = ClientOrderIds(BINANCE, "nonce12")
    number, text = first.next(NOW_MS)
    number_after, text_after = ClientOrderIds(BINANCE, "nonce12", number).next(NOW_MS - 3_600_000)
    assert number_after > number
    assert text_after != text


def test_two_journals_make_different_ids_at_the_same_moment() -> None:
    generator = random.Random(1)
    one, other = (ClientOrderIds(BINANCE, new_nonce(BINANCE, generator)) for _ in range(2))
    assert one.next(NOW_MS)[1] != other.next(NOW_MS)[1]


@pytest.mark.parametrize(("length", "alphabet"), [(12, "abc"), (14, BINANCE.alphabet), (36, "a")])
def test_a_rule_without_room_is_refused(length: int, alphabet: str) -> None:
    with pytest.raises(ClientOrderIdError):
        ClientOrderIds(ClientOrderIdRule(prefix="x-", max_length=length, alphabet=alphabet), "nonce12")
