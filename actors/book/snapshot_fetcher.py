"""Fetching snapshots by REST: a few at a time, the first try at once, later ones with back-off and jitter."""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from openoutcry.actors import roles
from openoutcry.actors.book.pair_sync import PairSync
from openoutcry.actors.runtime import Backoff, ComponentActor, Timer
from openoutcry.exchanges.dialect import MalformedPayload
from openoutcry.messages.market import BookSnapshot
from openoutcry.messages.rest import ExecuteRest, RestAnswer, RestNotSent, RestRefused
from openoutcry.messages.trading_rules import TradingRule

CONCURRENT_FETCHES = 10
FETCH_TIMEOUT_S = 10.0


class SnapshotFetcher:
    """The fetches of one book source. A pair is fetched once at a time; an answer for an earlier epoch is not used."""

    def __init__(
        self,
        owner: ComponentActor,
        on_snapshot: Callable[[PairSync, BookSnapshot], None],
        on_trouble: Callable[[PairSync, str], None],
    ) -> None:
        self.fetched = 0
        self.failures = 0
        self._owner = owner
        self._on_snapshot = on_snapshot
        self._on_trouble = on_trouble
        self._backoff = Backoff(0.25, 30.0, owner.environment.random_for(f"{owner.role}/snapshots", owner.generation))
        self._waiting: deque[str] = deque()
        self._wanted: dict[str, tuple[PairSync, TradingRule]] = {}
        """Every pair that waits, is paced or is under way."""
        self._timers: dict[str, Timer] = {}
        self._in_flight = 0

    def fetch(self, sync: PairSync, rule: TradingRule, not_before_s: float = 0.0) -> None:
        """Fetch the pair's snapshot; of no effect while one is being fetched for the same need."""
        pair = sync.trading_pair
        if pair in self._wanted:
            return
        self._wanted[pair] = (sync, rule)
        delay_s = max(not_before_s, self._backoff.delay_s(sync.attempts - 1) if sync.attempts > 1 else 0.0)
        if delay_s > 0:
            self._timers[pair] = self._owner.after(delay_s, partial(self._due, pair))
        else:
            self._due(pair)

    def cancel(self, trading_pair: str) -> None:
        """The pair's snapshot is not wanted any more."""
        self._wanted.pop(trading_pair, None)
        timer = self._timers.pop(trading_pair, None)
        if timer is not None:
            timer.cancel()

    def _due(self, pair: str) -> None:
        self._timers.pop(pair, None)
        self._waiting.append(pair)
        self._start_those_waiting()

    def _start_those_waiting(self) -> None:
        while self._waiting and self._in_flight < CONCURRENT_FETCHES:
            wanted = self._wanted.get(self._waiting.popleft())
            if wanted is None:
                continue
            sync, rule = wanted
            self._in_flight += 1
            self._owner.ask(
                roles.REST,
                ExecuteRest(
                    request=self._owner.environment.dialect.build_book_snapshot(rule), timeout_s=FETCH_TIMEOUT_S
                ),
                partial(self._answered, sync, rule, sync.epoch),
                timeout_s=FETCH_TIMEOUT_S + 1.0,
                resend=True,
            )

    def _answered(self, sync: PairSync, rule: TradingRule, epoch: int, outcome: Any) -> None:
        self._in_flight -= 1
        wanted = self._wanted.get(sync.trading_pair)
        if wanted is not None and wanted[0] is sync:
            del self._wanted[sync.trading_pair]
            self._use(sync, rule, epoch, outcome)
        self._start_those_waiting()

    def _use(self, sync: PairSync, rule: TradingRule, epoch: int, outcome: Any) -> None:
        if sync.epoch != epoch:
            self.fetch(sync, rule)
            return
        retry_after_s = 0.0
        if isinstance(outcome, RestAnswer):
            try:
                snapshot = self._owner.environment.dialect.parse_book_snapshot(rule, outcome.body, outcome.received_ns)
            except MalformedPayload as error:
                trouble = f"its snapshot cannot be read: {error}"
            else:
                self.fetched += 1
                self._on_snapshot(sync, snapshot)
                return
        elif isinstance(outcome, RestRefused):
            trouble = f"its snapshot was refused: {outcome.error}"
            retry_after_s = outcome.error.retry_after_s or 0.0
        elif isinstance(outcome, RestNotSent):
            trouble = f"its snapshot could not be asked for: {outcome.reason}"
            retry_after_s = outcome.retry_after_s or 0.0
        else:
            trouble = f"its snapshot was not answered: {getattr(outcome, 'reason', outcome)}"
        self.failures += 1
        # A failure is never tried again at once: two attempts are the first that wait.
        sync.failed()
        sync.attempts = max(sync.attempts, 2)
        self._on_trouble(sync, trouble)
        self.fetch(sync, rule, retry_after_s)
