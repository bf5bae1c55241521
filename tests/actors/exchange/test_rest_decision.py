"""What is safe after an error, for every kind of it."""

import pytest

from openoutcry.actors.exchange.rest_decision import CLOCK_REPAIRS, Next, after_error
from openoutcry.messages.rest import ErrorKind

REPEATED = {Next.REPAIR_CLOCK, Next.WAIT, Next.RETRY}


@pytest.mark.parametrize("kind", ErrorKind)
def test_an_order_is_never_repeated_except_for_a_stamp_that_kept_it_out(kind: ErrorKind) -> None:
    step = after_error(kind, is_idempotent=False, clock_repairs=0)
    assert (step in REPEATED) == (kind is ErrorKind.CLOCK_SKEW)


@pytest.mark.parametrize("kind", ErrorKind)
def test_an_outcome_is_called_unknown_only_when_the_exchange_does_not_know_it(kind: ErrorKind) -> None:
    step = after_error(kind, is_idempotent=False, clock_repairs=0)
    assert (step is Next.OUTCOME_UNKNOWN) == (kind is ErrorKind.OUTCOME_UNKNOWN)


@pytest.mark.parametrize("is_idempotent", [True, False])
def test_the_clock_is_repaired_no_more_than_twice(is_idempotent: bool) -> None:
    steps = [
        after_error(ErrorKind.CLOCK_SKEW, is_idempotent=is_idempotent, clock_repairs=repairs)
        for repairs in range(CLOCK_REPAIRS + 1)
    ]
    assert steps == [Next.REPAIR_CLOCK] * CLOCK_REPAIRS + [Next.REFUSED]


@pytest.mark.parametrize("kind", [ErrorKind.OUTCOME_UNKNOWN, ErrorKind.BUSY, ErrorKind.MAINTENANCE])
def test_a_question_is_asked_again_when_the_exchange_could_not_answer(kind: ErrorKind) -> None:
    assert after_error(kind, is_idempotent=True, clock_repairs=0) is Next.RETRY
