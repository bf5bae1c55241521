"""How far the exchange's clock is ahead of ours, from questions and answers. Pure.

The exchange reads its clock somewhere between our question and its answer. The middle is the best guess, and half of
the round trip is how wrong it can be: so of several measurements the quickest one counts.
"""

from collections import deque

from openoutcry.messages.rest import ClockOffset

_EXCHANGE_RESOLUTION_MS = 1.0
"""The exchange tells whole milliseconds, cut off: on average it is half of one later."""


class ClockOffsetEstimator:
    """Keeps the last measurements and answers with the best of them."""

    def __init__(self, keep: int = 8) -> None:
        self._measured: deque[ClockOffset] = deque(maxlen=keep)

    @property
    def best(self) -> ClockOffset | None:
        """The measurement with the shortest round trip; None before the first."""
        return min(self._measured, key=lambda one: one.uncertainty_ms, default=None)

    def add(self, *, round_trip_ms: float, received_wall_ms: float, server_ms: int) -> ClockOffset:
        """Take a measurement and return the best one.

        Args:
            round_trip_ms: from question to answer, by a clock that never jumps.
            received_wall_ms: our wall clock at the answer.
            server_ms: the exchange's clock as it told it.
        """
        round_trip_ms = max(0.0, round_trip_ms)
        middle_ms = received_wall_ms - round_trip_ms / 2
        measured = ClockOffset(
            offset_ms=server_ms + _EXCHANGE_RESOLUTION_MS / 2 - middle_ms, uncertainty_ms=round_trip_ms / 2
        )
        # What cannot be true together was measured on two sides of a jump of one of the clocks: only the newer counts.
        if any(_contradict(measured, older) for older in self._measured):
            self._measured.clear()
        self._measured.append(measured)
        return min(self._measured, key=lambda one: one.uncertainty_ms)

    def forget(self) -> None:
        """A clock is said to have jumped: nothing measured so far counts."""
        self._measured.clear()


def _contradict(one: ClockOffset, other: ClockOffset) -> bool:
    # Both clocks are read in whole milliseconds, hence the two.
    slack_ms = one.uncertainty_ms + other.uncertainty_ms + 2 * _EXCHANGE_RESOLUTION_MS
    return abs(one.offset_ms - other.offset_ms) > slack_ms
