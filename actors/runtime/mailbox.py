"""What a full mailbox does with one more message: a policy for each message type.

Orders, fills and everything not named here are never dropped: their mailbox grows, and its depth is a figure that can
be read. Published market data conflates to the newest of its pair. A diff is never skipped in silence: dropping one
makes its owner resync. Status is dropped oldest first.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from openoutcry.messages.lifecycle import ComponentStatus, ConnectorStatus, Figures, GetFigures, SupervisionEvent
from openoutcry.messages.market import BestBidAsk, BestQuote, BookDiff, PublicTrade


class WhenFull(Enum):
    """What happens to a message that finds the mailbox full."""

    KEEP = "keep"
    """It is queued all the same."""
    CONFLATE = "conflate"
    """It takes the place of the queued one of the same key."""
    DROP_OLDEST = "drop oldest"
    """The oldest queued one of its type goes."""
    DROP_AND_TELL = "drop and tell"
    """It goes, and the owner is told once which key has a hole now."""


@dataclass(frozen=True, slots=True)
class MailboxPolicy:
    """A policy, and what makes two messages of a type the same thing."""

    when_full: WhenFull
    key: Callable[[Any], object] = lambda _message: None


class MailboxOverflowed(msgspec.Struct, frozen=True):
    """From a full mailbox to its owner: messages of this type and key were dropped."""

    message_type: type
    key: object


_KEEP = MailboxPolicy(WhenFull.KEEP)

POLICIES: dict[type, MailboxPolicy] = {
    BestBidAsk: MailboxPolicy(WhenFull.CONFLATE, lambda message: message.trading_pair),
    BestQuote: MailboxPolicy(WhenFull.CONFLATE, lambda message: message.trading_pair),
    BookDiff: MailboxPolicy(WhenFull.DROP_AND_TELL, lambda message: message.trading_pair),
    PublicTrade: MailboxPolicy(WhenFull.DROP_OLDEST),
    ComponentStatus: MailboxPolicy(WhenFull.CONFLATE, lambda message: message.role),
    ConnectorStatus: MailboxPolicy(WhenFull.CONFLATE, lambda message: message.connector),
    SupervisionEvent: MailboxPolicy(WhenFull.DROP_OLDEST),
    GetFigures: MailboxPolicy(WhenFull.CONFLATE),
    Figures: MailboxPolicy(WhenFull.CONFLATE, lambda message: message.role),
}


def overflow(policies: dict[type, MailboxPolicy], mailbox: deque[tuple[Any, Any]], message: Any, sender: Any) -> int:
    """Put a message into a full mailbox by its type's policy; how many messages were dropped for it."""
    kind = type(message)
    policy = policies.get(kind, _KEEP)
    if policy.when_full is WhenFull.KEEP:
        mailbox.append((message, sender))
        return 0
    key = policy.key(message)
    if policy.when_full is WhenFull.DROP_AND_TELL:
        notice = MailboxOverflowed(kind, key)
        if not any(type(queued) is MailboxOverflowed and queued == notice for queued, _ in mailbox):
            mailbox.append((notice, sender))
        return 1
    for position, (queued, _) in enumerate(mailbox):
        if type(queued) is kind and (policy.when_full is WhenFull.DROP_OLDEST or policy.key(queued) == key):
            if policy.when_full is WhenFull.CONFLATE:
                mailbox[position] = (message, sender)
            else:
                del mailbox[position]
                mailbox.append((message, sender))
            return 1
    mailbox.append((message, sender))
    return 0
