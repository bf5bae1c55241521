"""Total and available balances.

hears: BalanceUpdate, BalanceDelta, UserStreamInterrupted, UserStreamResumed (user_stream); OrderActivity,
RefreshBalances (orders); TradingRules; Subscribers(BALANCES) says: Balances to orders, the facade and the
subscribers, once a sweep at most; asks rest ExecuteRest
at a restart it asks the exchange for all balances; orders that are not confirmed are known again when the order
tracker tells of them.
"""

from typing import Any

from openoutcry.actors.exchange.audience import Publisher
from openoutcry.actors.exchange.balance_book import BalanceBook
from openoutcry.actors.exchange.estimated_balance_book import EstimatedBalanceBook
from openoutcry.actors.roles import FACADE, ORDERS, REST
from openoutcry.actors.runtime import Backoff, Timer, handles
from openoutcry.exchanges.dialect import MalformedPayload
from openoutcry.messages.account import BalanceDelta, Balances, BalanceUpdate, RefreshBalances
from openoutcry.messages.lifecycle import Readiness, Subscribers, Topic, UserStreamInterrupted, UserStreamResumed
from openoutcry.messages.orders import OrderActivity
from openoutcry.messages.rest import ErrorKind, ExecuteRest, RestAnswer, RestRefused
from openoutcry.messages.trading_rules import TradingRules

TIMEOUT_S = 10.0
AMBIGUOUS_AGAIN_S = 0.25
KEY_REFUSED_AGAIN_S = 30.0


class BalancePoller(Publisher):
    """Keeps the balances and publishes them when they change."""

    def __init__(self) -> None:
        super().__init__()
        self._book: BalanceBook | EstimatedBalanceBook = BalanceBook()
        self._published: Balances | None = None
        self._subscribers: tuple[object, ...] = ()
        self._is_publishing_soon = False
        self._is_asking = False
        self._must_ask_again = False
        self._next_poll: Timer | None = None
        self._snapshots = 0

    def on_start(self) -> None:
        """Choose how balances are kept, and ask for all of them."""
        environment = self.environment
        is_told_by_stream = environment.settings.real_time_balance_update
        if is_told_by_stream is None:
            is_told_by_stream = environment.dialect.real_time_balance_update
        self._book = BalanceBook() if is_told_by_stream else EstimatedBalanceBook()
        self._backoff = Backoff(0.5, 30.0, environment.random_for(self.role, self.generation))
        self._ask_exchange()

    def on_peer_up(self, role: str) -> None:
        """Tell a newcomer what is known."""
        if role in (ORDERS, FACADE) and self._published is not None:
            self.publish_to(role, self._published)

    def on_peer_down(self, role: str) -> None:
        """What a tracker that died had to tell is lost: its successor tells of orders, the exchange of the rest."""
        if role == ORDERS:
            self._book.forget_orders()
            self._ask_exchange()

    def figures(self) -> tuple[tuple[str, str], ...]:
        """How balances are kept."""
        return (("estimated", str(self._book.is_estimated)), ("snapshots", str(self._snapshots)))

    # What comes in

    @handles(BalanceUpdate)
    def _update(self, message: BalanceUpdate, _sender: Any) -> None:
        self._book.apply_update(message)
        self._publish_soon()

    @handles(BalanceDelta)
    def _delta(self, _message: BalanceDelta, _sender: Any) -> None:
        # A change without the result: only the exchange knows what it was added to.
        self._ask_exchange()

    @handles(OrderActivity)
    def _activity(self, message: OrderActivity, _sender: Any) -> None:
        if self._book.apply_activity(message):
            self._poll_in(AMBIGUOUS_AGAIN_S)
        self._publish_soon()

    @handles(RefreshBalances)
    def _refresh(self, _message: RefreshBalances, _sender: Any) -> None:
        self._ask_exchange()

    @handles(UserStreamInterrupted)
    def _interrupted(self, _message: UserStreamInterrupted, _sender: Any) -> None:
        """Nothing to do until it is live again: the poll goes on meanwhile."""

    @handles(UserStreamResumed)
    def _resumed(self, _message: UserStreamResumed, _sender: Any) -> None:
        self._ask_exchange()

    @handles(TradingRules)
    def _trading_rules(self, message: TradingRules, _sender: Any) -> None:
        self._book.set_rules(message.by_trading_pair())

    @handles(Subscribers)
    def _subscribers_changed(self, message: Subscribers, _sender: Any) -> None:
        if message.topic is not Topic.BALANCES:
            return
        newcomers = [address for address in message.addresses if address not in self._subscribers]
        self._subscribers = message.addresses
        if self._published is not None:
            for address in newcomers:
                self.send(address, self._published)

    # Asking

    def _ask_exchange(self) -> None:
        if self._is_asking:
            # That answer may show the time before what this question is about.
            self._must_ask_again = True
            return
        self._is_asking = True
        self._must_ask_again = False
        if self._next_poll is not None:
            self._next_poll.cancel()
            self._next_poll = None
        asked_ns = self.clock.monotonic_ns()
        question = ExecuteRest(request=self.environment.dialect.build_balances(), timeout_s=TIMEOUT_S)
        self.ask(REST, question, lambda answer: self._answer(asked_ns, answer), timeout_s=TIMEOUT_S + 1, resend=True)

    def _answer(self, asked_ns: int, answer: Any) -> None:
        self._is_asking = False
        if type(answer) is not RestAnswer:
            self._failed_to_ask(answer)
            return
        try:
            snapshot = self.environment.dialect.parse_balances(answer.body, answer.sent_ms)
        except MalformedPayload as error:
            self._failed_to_ask(error)
            return
        self._backoff.reset()
        self._snapshots += 1
        received_ms = answer.sent_ms + (answer.received_ns - asked_ns) // 1_000_000 + 1
        was_taken = self._book.apply_snapshot(snapshot, received_ms)
        if self._book.is_known:
            self.set_readiness(Readiness.READY)
            self._publish_soon()
        if self._must_ask_again:
            self._ask_exchange()
        else:
            interval_s = self.environment.settings.balance_poll_interval_s
            self._poll_in(interval_s if was_taken else min(interval_s, AMBIGUOUS_AGAIN_S))

    def _failed_to_ask(self, answer: Any) -> None:
        if type(answer) is RestRefused:
            reason, kind = str(answer.error), answer.error.kind
        else:
            reason, kind = str(getattr(answer, "reason", answer)), None
        if kind in (ErrorKind.BAD_KEY, ErrorKind.BAD_SIGNATURE):
            hint = "check api_key, api_secret and the key's permissions and IP list at the exchange"
            self.set_readiness(
                Readiness.FAILED, f"balances: {reason}", f"{hint}; asks again in {KEY_REFUSED_AGAIN_S:g} s"
            )
            self._poll_in(KEY_REFUSED_AGAIN_S)
            return
        self.set_readiness(Readiness.DEGRADED, f"balances: {reason}", "asks again with growing pauses")
        self._poll_in(max(self._backoff.next_delay_s(), getattr(answer, "retry_after_s", None) or 0.0))

    def _poll_in(self, delay_s: float) -> None:
        if self._is_asking:
            self._must_ask_again = True
            return
        if self._next_poll is not None:
            self._next_poll.cancel()
        self._next_poll = self.after(delay_s, self._ask_exchange)

    # Publishing

    def _publish_soon(self) -> None:
        if not self._is_publishing_soon:
            self._is_publishing_soon = True
            self.soon(self._publish)

    def _publish(self) -> None:
        self._is_publishing_soon = False
        if not self._book.is_known:
            return
        balances = self._book.balances()
        if balances == self._published:
            return
        self._published = balances
        self.publish((ORDERS, FACADE), balances)
        for address in self._subscribers:
            self.send(address, balances)
