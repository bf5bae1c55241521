"""What can go wrong for a bot.

- `ConfigError`: the config cannot be used; lists every mistake
- `BookTooThin`: the book does not hold the volume that was asked for
- `OpenoutcryError`
    - `ConnectorNotReady`: names what is missing
    - `ConnectorStopped`: the runtime is closed, or the connector restarted before it answered
    - `OrderEventsGone`: events that were asked for are no longer in the journal
    - `OrderRefusedError`: the order was not sent; names the rule and both numbers
    - `StaleMarketData`: there is no price that may be shown as fresh
    - `UnknownTradingPair`: not listed, or not followed by this connector
"""

from collections.abc import Iterable

from openoutcry.actors.book.book_queries import BookTooThin
from openoutcry.config.errors import ConfigError
from openoutcry.messages.lifecycle import ComponentStatus

__all__ = [
    "BookTooThin",
    "ConfigError",
    "ConnectorNotReady",
    "ConnectorStopped",
    "OpenoutcryError",
    "OrderEventsGone",
    "OrderRefusedError",
    "StaleMarketData",
    "UnknownTradingPair",
]


class OpenoutcryError(Exception):
    """Base of what openoutcry raises to a bot."""


class ConnectorNotReady(OpenoutcryError):
    """The connector was not ready in time."""

    def __init__(self, connector: str, timeout_s: float, missing: Iterable[ComponentStatus]) -> None:
        self.missing = tuple(missing)
        parts = [
            f"{status.role} is {status.readiness.value}"
            + (f": {status.reason}" if status.reason else "")
            + (f" ({status.next_step})" if status.next_step else "")
            for status in self.missing
        ]
        why = "; ".join(parts) or "its components have not reported yet"
        super().__init__(f"{connector} was not ready within {timeout_s:g} s: {why}")


class ConnectorStopped(OpenoutcryError):
    """There is nobody to answer."""


class OrderEventsGone(OpenoutcryError):
    """Order events that a reader has not seen are not in the journal.

    `events(after=error.resume_after)` goes on with what there is; what was missed shows in the orders' states.
    """

    def __init__(self, message: str, resume_after: int) -> None:
        super().__init__(message)
        self.resume_after = resume_after


class OrderRefusedError(OpenoutcryError):
    """The order was not sent."""

    def __init__(self, rule: str, message: str) -> None:
        self.rule = rule
        super().__init__(message)


class StaleMarketData(OpenoutcryError):
    """The book of a pair is not to be trusted now; says why."""


class UnknownTradingPair(OpenoutcryError):
    """The pair is not listed by the exchange, or not followed by this connector."""
