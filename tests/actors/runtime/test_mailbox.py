"""What a full mailbox does, against the words of its policies."""

from collections import deque
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.actors.runtime.mailbox import POLICIES, MailboxOverflowed, overflow
from openoutcry.messages.lifecycle import UserStreamResumed
from openoutcry.messages.market import BestBidAsk, BookDiff, PublicTrade

PAIRS = st.sampled_from(["BTC-USDT", "ETH-USDT", "SOL-USDT"])


def best(pair: str, update_id: int) -> BestBidAsk:
    return BestBidAsk(pair, 1.0, 1.0, 2.0, 1.0, update_id, 0, 0)


def diff(pair: str, update_id: int) -> BookDiff:
    return BookDiff(pair, update_id, update_id, [], [], 0, 0)


def trade(pair: str, trade_id: int) -> PublicTrade:
    return PublicTrade(pair, str(trade_id), 1.0, 1.0, True, 0, 0)


def order_word(_pair: str, number: int) -> UserStreamResumed:
    return UserStreamResumed(since_ms=number)


MESSAGES = st.lists(st.tuples(st.sampled_from([best, diff, trade, order_word]), PAIRS), max_size=60)


@given(MESSAGES, st.integers(1, 8))
def test_a_full_mailbox_keeps_orders_conflates_prices_and_never_skips_a_diff_in_silence(
    messages: list[tuple[Any, str]], limit: int
) -> None:
    mailbox: deque[tuple[Any, Any]] = deque()
    sent: list[Any] = []
    dropped = 0
    for number, (make, pair) in enumerate(messages):
        message = make(pair, number)
        sent.append(message)
        if len(mailbox) < limit:
            mailbox.append((message, None))
        else:
            dropped += overflow(POLICIES, mailbox, message, None)

    held = [message for message, _ in mailbox]
    told = {message.key for message in held if isinstance(message, MailboxOverflowed)}
    assert [m for m in sent if isinstance(m, UserStreamResumed)] == [
        m for m in held if isinstance(m, UserStreamResumed)
    ]
    for pair in ("BTC-USDT", "ETH-USDT", "SOL-USDT"):
        mine = [m for m in sent if isinstance(m, BestBidAsk) and m.trading_pair == pair]
        kept = [m for m in held if isinstance(m, BestBidAsk) and m.trading_pair == pair]
        assert not mine or mine[-1] in kept, "the newest price of a pair is never the one that goes"
        lost = [m for m in sent if isinstance(m, BookDiff) and m.trading_pair == pair and m not in held]
        assert not lost or pair in told
    trades = [m for m in sent if isinstance(m, PublicTrade)]
    assert not trades or trades[-1] in held
    assert len(held) + dropped == len(sent) + len(told)


def test_a_drop_is_told_once_however_many_follow() -> None:
    mailbox: deque[tuple[Any, Any]] = deque([(order_word("", 1), None)])
    for number in range(5):
        overflow(POLICIES, mailbox, diff("BTC-USDT", number), None)
    assert [type(message).__name__ for message, _ in mailbox] == ["UserStreamResumed", "MailboxOverflowed"]
