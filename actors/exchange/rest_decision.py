"""What is safe to do after a request failed. Pure.

The one rule behind the table: a request that changes something is repeated only when it certainly had no effect and
nothing is lost by repeating it at once; whether to make it again otherwise is for the one who asked.
"""

from enum import Enum

from openoutcry.messages.rest import ErrorKind

CLOCK_REPAIRS = 2
"""How often a request is stamped and sent again because of its stamp."""


class Next(Enum):
    """What to do with a request that the exchange did not do."""

    REFUSED = "tell that the exchange refused it"
    REPAIR_CLOCK = "measure the exchange's clock, stamp and send again"
    WAIT = "wait until the exchange lets us, then send again"
    RETRY = "send again after a pause"
    NOT_SENT = "tell that it had no effect"
    OUTCOME_UNKNOWN = "tell that nobody knows whether it had an effect"


def after_error(kind: ErrorKind, *, is_idempotent: bool, clock_repairs: int) -> Next:
    """What to do after the exchange answered with an error of this kind."""
    if kind is ErrorKind.CLOCK_SKEW:
        return Next.REPAIR_CLOCK if clock_repairs < CLOCK_REPAIRS else Next.REFUSED
    if kind is ErrorKind.OUTCOME_UNKNOWN:
        return Next.RETRY if is_idempotent else Next.OUTCOME_UNKNOWN
    if kind in (ErrorKind.RATE_LIMITED, ErrorKind.BANNED):
        return Next.WAIT if is_idempotent else Next.NOT_SENT
    if kind is ErrorKind.BUSY:
        return Next.RETRY if is_idempotent else Next.NOT_SENT
    if kind is ErrorKind.MAINTENANCE:
        return Next.RETRY if is_idempotent else Next.REFUSED
    return Next.REFUSED
