"""How long to wait before trying again: exponential with jitter. The waiting itself is a timer's, never a loop's."""

import random

import tenacity


class Backoff:
    """Growing delays between `initial_s` and `max_s`, spread by jitter so that many do not come back at once.

    The strategy is tenacity's; the randomness is the caller's own generator, so that a run can be repeated.
    """

    __slots__ = ("_attempts", "_random", "_wait")

    def __init__(self, initial_s: float, max_s: float, generator: random.Random) -> None:
        self._wait = tenacity.wait_exponential(multiplier=initial_s, max=max_s)
        self._random = generator
        self._attempts = 0

    def next_delay_s(self) -> float:
        """The delay before the next attempt: between half and all of the exponential one."""
        self._attempts += 1
        return self.delay_s(self._attempts)

    def delay_s(self, attempt: int) -> float:
        """The delay before this attempt, counted from 1."""
        state = tenacity.RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]  # unused
        state.attempt_number = attempt
        return self._wait(state) * (0.5 + self._random.random() / 2)

    def reset(self) -> None:
        """The last attempt was a success: begin again with the shortest delay."""
        self._attempts = 0
