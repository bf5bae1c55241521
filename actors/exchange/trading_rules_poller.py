"""Trading rules, rate limits and fees, from the exchange.

hears: GetLastPrices (asked); TradingPairAdded, TradingPairRemoved
says: TradingRules to facade, book_source, user_stream, orders, order_poller and balances, TradeFees to facade, when
they changed and to each that comes up; RateLimitsKnown to rest; LastPrices, or the outcome of the request in its place,
to who asked
at a restart it asks the exchange for everything anew.
"""

from typing import Any

from openoutcry.actors.exchange.audience import Publisher
from openoutcry.actors.exchange.fee_table import FeeTable
from openoutcry.actors.exchange.pair_check import describe_unlisted
from openoutcry.actors.roles import BALANCES, BOOK_SOURCE, FACADE, ORDER_POLLER, ORDERS, REST, SIGNER, USER_STREAM
from openoutcry.actors.runtime import Backoff, Timer, handles
from openoutcry.exchanges.dialect import MalformedPayload
from openoutcry.messages.lifecycle import Readiness
from openoutcry.messages.market import GetLastPrices, LastPrices, TradingPairAdded, TradingPairRemoved
from openoutcry.messages.rest import (
    ErrorKind,
    ExecuteRest,
    RateLimitsKnown,
    RestAnswer,
    RestRefused,
)
from openoutcry.messages.trading_rules import TradeFees, TradingRule, TradingRules

RULES_AUDIENCE = (FACADE, BOOK_SOURCE, USER_STREAM, ORDERS, ORDER_POLLER, BALANCES)
FEES_AUDIENCE = (FACADE,)
TIMEOUT_S = 20.0
FEES_AGAIN_S = 60.0


class TradingRulesPoller(Publisher):
    """Keeps what the exchange allows and takes, and tells it to the others when it changes."""

    def __init__(self) -> None:
        super().__init__()
        self._rules: TradingRules | None = None
        self._by_pair: dict[str, TradingRule] = {}
        self._limits: RateLimitsKnown | None = None
        self._fees_told: TradeFees | None = None
        self._fee_queue: list[TradingRule] = []
        self._is_asking_fees = False
        self._fee_timer: Timer | None = None
        self._waiting_for_rules: list[tuple[GetLastPrices, Any]] = []
        self._polls = 0

    def on_start(self) -> None:
        """Tell the default fees and ask for the rules."""
        environment = self.environment
        self._pairs = dict.fromkeys(environment.settings.trading_pairs)
        self._backoff = Backoff(0.25, 30.0, environment.random_for(self.role, self.generation))
        self._fees = FeeTable(environment.dialect.default_fee, self._pairs)
        self._publish_fees()
        self._poll()

    def on_peer_up(self, role: str) -> None:
        """Tell a newcomer what is known; with a signer the account's fees can be asked for."""
        if role in RULES_AUDIENCE and self._rules is not None:
            self.publish_to(role, self._rules)
        if role in FEES_AUDIENCE and self._fees_told is not None:
            self.publish_to(role, self._fees_told)
        if role == REST and self._limits is not None:
            self.tell(REST, self._limits)
        elif role == SIGNER:
            self._ask_for_fees()

    def figures(self) -> tuple[tuple[str, str], ...]:
        """How many rules there are and how often they were asked for."""
        return (("trading rules", str(len(self._by_pair))), ("polls", str(self._polls)))

    # Rules

    def _poll(self) -> None:
        self._polls += 1
        request = self.environment.dialect.build_trading_rules()
        question = ExecuteRest(request=request, timeout_s=TIMEOUT_S)
        self.ask(REST, question, self._polled, timeout_s=TIMEOUT_S + 1, resend=True)

    def _polled(self, answer: Any) -> None:
        dialect = self.environment.dialect
        if type(answer) is not RestAnswer:
            self._failed_to_poll(_reason(answer))
            return
        try:
            rules = TradingRules(rules=dialect.parse_trading_rules(answer.body))
            limits = RateLimitsKnown(limits=dialect.parse_rate_limits(answer.body))
        except MalformedPayload as error:
            self._failed_to_poll(str(error))
            return
        self._backoff.reset()
        self.after(self.environment.settings.trading_rules_interval_s, self._poll)
        if limits.limits and limits != self._limits:
            self._limits = limits
            self.publish_to(REST, limits)
        if rules != self._rules:
            self._rules = rules
            self._by_pair = rules.by_trading_pair()
            self.publish(RULES_AUDIENCE, rules)
        self._tell_readiness()
        waiting, self._waiting_for_rules = self._waiting_for_rules, []
        for question, sender in waiting:
            self._last_prices(question, sender)
        self._ask_for_fees()

    def _failed_to_poll(self, reason: str) -> None:
        delay_s = self._backoff.next_delay_s()
        if self._rules is None:
            problem = f"the trading rules cannot be read: {reason}"
            self.set_readiness(Readiness.DEGRADED, problem, "asks again with growing pauses")
        self.after(delay_s, self._poll)

    def _tell_readiness(self) -> None:
        settings = self.environment.settings
        exchange = f"{settings.exchange}.{settings.domain or next(iter(self.environment.dialect.domains))}"
        unlisted = describe_unlisted(self._pairs, self._by_pair, exchange)
        if unlisted:
            # Not FAILED: a pair that the exchange drops must not stop the trading of the others.
            self.set_readiness(Readiness.DEGRADED, unlisted, "mend trading_pairs in the config; the other pairs go on")
        else:
            self.set_readiness(Readiness.READY)

    @handles(TradingPairAdded)
    def _pair_added(self, message: TradingPairAdded, _sender: Any) -> None:
        pair = message.trading_pair
        self._pairs[pair] = None
        self._fees.follow(pair)
        self._publish_fees()
        if self._is_asking_fees and pair in self._by_pair:
            self._fee_queue.append(self._by_pair[pair])
        else:
            self._ask_for_fees()

    @handles(TradingPairRemoved)
    def _pair_removed(self, message: TradingPairRemoved, _sender: Any) -> None:
        self._pairs.pop(message.trading_pair, None)
        self._fees.forget(message.trading_pair)
        self._publish_fees()
        if self._rules is not None:
            self._tell_readiness()

    # Fees

    def _ask_for_fees(self) -> None:
        """Ask for the account's fees of each configured pair, one after the other: they are worth no burst."""
        if not self.has_peer(SIGNER) or self._rules is None or self._is_asking_fees:
            return
        self._fee_queue = [self._by_pair[pair] for pair in self._pairs if pair in self._by_pair]
        self._ask_for_next_fee()

    def _ask_for_next_fee(self) -> None:
        self._is_asking_fees = bool(self._fee_queue)
        if not self._fee_queue:
            return
        rule = self._fee_queue.pop(0)
        question = ExecuteRest(request=self.environment.dialect.build_fees(rule), timeout_s=TIMEOUT_S)
        self.ask(REST, question, lambda answer: self._fee_known(rule, answer), timeout_s=TIMEOUT_S + 1, resend=True)

    def _fee_known(self, rule: TradingRule, answer: Any) -> None:
        reason = ""
        if type(answer) is RestAnswer:
            try:
                self._fees.learn(self.environment.dialect.parse_fees(rule, answer.body))
            except MalformedPayload as error:
                reason = str(error)
        else:
            reason = _reason(answer)
        if reason:
            self.log.info("the account's fees of %s are not known: %s", rule.trading_pair, reason)
            self._fee_queue.clear()
            self._is_asking_fees = False
            is_final = type(answer) is RestRefused and answer.error.kind in (ErrorKind.BAD_KEY, ErrorKind.BAD_SIGNATURE)
            if not is_final and self._fee_timer is None:
                self._fee_timer = self.after(FEES_AGAIN_S, self._fees_again)
        else:
            self._ask_for_next_fee()
        if not self._fee_queue:
            self._publish_fees()

    def _fees_again(self) -> None:
        self._fee_timer = None
        self._ask_for_fees()

    def _publish_fees(self) -> None:
        fees = self._fees.table()
        if fees != self._fees_told:
            self._fees_told = fees
            self.publish(FEES_AUDIENCE, fees)

    # Prices

    @handles(GetLastPrices)
    def _last_prices(self, message: GetLastPrices, sender: Any) -> None:
        if self._rules is None:
            self._waiting_for_rules.append((message, sender))
            return
        rules = [self._by_pair[pair] for pair in message.trading_pairs if pair in self._by_pair]
        if not rules:
            self.reply(sender, LastPrices(prices=()))
            return
        question = ExecuteRest(request=self.environment.dialect.build_last_prices(rules))
        self.ask(REST, question, lambda answer: self._prices_known(rules, sender, answer), timeout_s=11.0)

    def _prices_known(self, rules: list[TradingRule], sender: Any, answer: Any) -> None:
        if type(answer) is RestAnswer:
            try:
                answer = LastPrices(prices=self.environment.dialect.parse_last_prices(rules, answer.body))
            except MalformedPayload as error:
                self.log.warning("last prices: %s", error)
                answer = LastPrices(prices=())
        self.reply(sender, answer)


def _reason(answer: Any) -> str:
    """Why there is no answer of the exchange's, in words."""
    if type(answer) is RestRefused:
        return str(answer.error)
    return str(getattr(answer, "reason", answer))
