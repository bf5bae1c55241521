"""The one actor of a connector that the outside talks to: readiness, trading mode, requests, subscriptions.

Hears: all public requests, ComponentStatus, TradingRules, TradeFees and Balances of its components.
Says: forwards requests to their owners, Subscribers to them, ConnectorStatus and SupervisionEvent to subscribers.
On its restart: the whole tree is new; whoever hears of the new address subscribes and asks for the trading mode again.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from thespian.actors import ActorExitRequest

from openoutcry.actors import roles
from openoutcry.actors.exchange.readiness import is_ready, mode_in_force
from openoutcry.actors.exchange.tree import spot_tree
from openoutcry.actors.runtime import RequestFailed, Start, handles
from openoutcry.actors.runtime.actor import DEAD_LETTERS
from openoutcry.actors.supervision.supervisor import SupervisorActor
from openoutcry.messages.account import Balances
from openoutcry.messages.lifecycle import (
    ComponentStatus,
    ConnectorStatus,
    Crash,
    CrashComponent,
    Drain,
    Drained,
    Figures,
    GetFigures,
    NotAnswered,
    PeerUp,
    Readiness,
    SetTradingMode,
    Subscribe,
    Subscribers,
    SupervisionDecision,
    SupervisionEvent,
    Topic,
    TradingMode,
    TreeFigures,
    Unsubscribe,
)
from openoutcry.messages.market import (
    AddTradingPair,
    BookUnavailable,
    GetLastPrices,
    GetOrderBook,
    LastPrices,
    RemoveTradingPair,
    TradingPairAdded,
    TradingPairRefused,
    TradingPairRemoved,
    TradingPairsChanged,
)
from openoutcry.messages.orders import (
    CancelAllOrders,
    CancelAllResult,
    CancelOrder,
    CancelResult,
    GetInFlightOrders,
    GetOrderEvents,
    InFlightOrders,
    OrderEvents,
    OrderRefused,
    OrderState,
    PlaceOrder,
    ReconcileOrders,
)
from openoutcry.messages.trading_rules import TradeFees, TradingRules

_OWNER = {
    Topic.BEST_BID_ASK: roles.BOOK,
    Topic.TRADES: roles.BOOK_SOURCE,
    Topic.ORDER_EVENTS: roles.ORDERS,
    Topic.BALANCES: roles.BALANCES,
}
"""Topics that a component publishes itself, straight to the subscribers."""


class ConnectorFacade(SupervisorActor):
    """Readiness, trading mode, public requests, subscriptions: it holds no market or account state."""

    def on_start(self) -> None:
        """Start the components."""
        self._statuses: dict[str, ComponentStatus] = {}
        self._asked_mode = TradingMode.LIVE
        self._asked_reason = ""
        self._mode = (TradingMode.CANCEL_ONLY, "starting")
        self._published: ConnectorStatus | None = None
        self._mode_since_ms = self.clock.wall_ms()
        self._publish_is_due = False
        self._subscribers: dict[Topic, list[Any]] = {topic: [] for topic in Topic}
        self._latest: dict[Topic, Any] = {}
        self._dead_letters = tuple((role, *self._peers[role]) for role in (DEAD_LETTERS,) if role in self._peers)
        settings = self.environment.settings
        if settings.is_market_data_only:
            self._asked_mode = TradingMode.HALTED
            self._asked_reason = "no api_key in the config: market data only"
        self.start_children(spot_tree(settings), self.environment.connector, self.environment.seed)

    def on_peer_up(self, role: str) -> None:
        """The dead-letter actor is a peer of all components, and lives beside this actor."""
        if role == DEAD_LETTERS:
            address, generation = self._peers[role]
            self._dead_letters = ((role, address, generation),)
            self.tell_children(PeerUp(role=role, address=address, generation=generation))

    # Supervision

    def start_message(self, role: str, generation: int) -> Start:
        """Who the child is, the ports, and who is up already."""
        self._statuses[role] = ComponentStatus(role=role, readiness=Readiness.STARTING, since_ms=self.clock.wall_ms())
        self._status_changed()
        facade = (roles.FACADE, self.myAddress, self.generation)
        return Start(
            role=role,
            generation=generation,
            environment=self.environment,
            peers=(facade, *self._dead_letters, *self.child_peers()),
        )

    def on_decision(self, event: SupervisionEvent) -> None:
        """Show it in the component's status, and publish it."""
        match event.decision:
            case SupervisionDecision.STARTED | SupervisionDecision.RESTARTED:
                for topic, owner in _OWNER.items():
                    if owner == event.role and self._subscribers[topic]:
                        self.soon(partial(self._tell_subscribers, topic))
            case SupervisionDecision.FAILED | SupervisionDecision.EXITED | SupervisionDecision.STOPPED:
                self._component_down(event.role, event.reason or "exited", "")
            case SupervisionDecision.RESTART_SCHEDULED:
                step = f"restart {event.restarts_in_period} of {event.max_restarts} in {event.delay_s:.1f} s"
                if event.is_lasting:
                    step = f"tries again every {event.delay_s:g} s"
                self._component_down(event.role, event.reason, step)
            case SupervisionDecision.ESCALATED:
                self._component_down(event.role, event.reason, "the whole connector restarts")
        for address in self._subscribers[Topic.SUPERVISION]:
            self.send(address, event)

    def _component_down(self, role: str, reason: str, next_step: str) -> None:
        self._statuses[role] = ComponentStatus(
            role=role,
            readiness=Readiness.FAILED,
            reason=reason,
            since_ms=self.clock.wall_ms(),
            next_step=next_step,
        )
        self._status_changed()

    # Readiness and mode

    @handles(ComponentStatus)
    def _component_status(self, message: ComponentStatus, _sender: Any) -> None:
        if message.role in self._statuses and self._statuses[message.role] != message:
            self._statuses[message.role] = message
            self._status_changed()

    @handles(SetTradingMode)
    def _set_trading_mode(self, message: SetTradingMode, sender: Any) -> None:
        if not self.environment.settings.is_market_data_only:
            self._asked_mode, self._asked_reason = message.mode, message.reason
        self._status_changed()
        self._publish_status()
        self.reply(sender, self._published)

    def _status_changed(self) -> None:
        """The gate closes at once; that it did is published when this sweep of the mailbox is through."""
        self._mode = mode_in_force(self._asked_mode, self._asked_reason, self._statuses)
        if not self._publish_is_due:
            self._publish_is_due = True
            self.soon(self._publish_status)

    def _publish_status(self) -> None:
        self._publish_is_due = False
        mode, reason = self._mode
        last = self._published
        if last is None or last.mode is not mode:
            self._mode_since_ms = self.clock.wall_ms()
        status = ConnectorStatus(
            connector=self.environment.connector,
            is_ready=is_ready(self._statuses.values()),
            mode=mode,
            mode_reason=reason,
            mode_since_ms=self._mode_since_ms,
            components=tuple(self._statuses.values()),
        )
        if status != last:
            self._published = status
            self._publish(Topic.STATUS, status)

    # Requests

    @handles(PlaceOrder)
    def _place_order(self, message: PlaceOrder, sender: Any) -> None:
        mode, reason = self._mode
        if mode is not TradingMode.LIVE:
            self.reply(sender, OrderRefused(rule="trading_mode", message=f"the connector is {mode.value}: {reason}"))
        elif not self.forward(roles.ORDERS, message, sender):
            self.reply(sender, OrderRefused(rule="trading_mode", message="the order tracker is restarting"))

    @handles(CancelOrder)
    def _cancel_order(self, message: CancelOrder, sender: Any) -> None:
        if not self.forward(roles.ORDERS, message, sender):
            words = self._why_not(roles.ORDERS)
            self.reply(
                sender,
                CancelResult(client_order_id=message.client_order_id, cancelled=False, state=None, message=words),
            )

    @handles(CancelAllOrders)
    def _cancel_all(self, message: CancelAllOrders, sender: Any) -> None:
        if not self.forward(roles.ORDERS, message, sender):
            self._nobody_answers(roles.ORDERS, sender, CancelAllResult(results=()))

    @handles(GetInFlightOrders)
    def _get_in_flight(self, message: GetInFlightOrders, sender: Any) -> None:
        if not self.forward(roles.ORDERS, message, sender):
            self._nobody_answers(roles.ORDERS, sender, InFlightOrders(orders=()))

    @handles(GetOrderEvents)
    def _get_order_events(self, message: GetOrderEvents, sender: Any) -> None:
        if not self.forward(roles.ORDERS, message, sender):
            self._nobody_answers(roles.ORDERS, sender, OrderEvents(events=(), last_number=message.after or 0))

    @handles(GetOrderBook)
    def _get_order_book(self, message: GetOrderBook, sender: Any) -> None:
        if not self.forward(roles.BOOK, message, sender):
            self.reply(sender, BookUnavailable(trading_pair=message.trading_pair, reason=self._why_not(roles.BOOK)))

    @handles(AddTradingPair, RemoveTradingPair)
    def _change_pairs(self, message: AddTradingPair | RemoveTradingPair, sender: Any) -> None:
        if self.has_peer(roles.BOOK_SOURCE):
            self.ask(roles.BOOK_SOURCE, message, partial(self._pairs_changed, message.trading_pair, sender))
        else:
            why = self._why_not(roles.BOOK_SOURCE)
            self.reply(sender, TradingPairRefused(trading_pair=message.trading_pair, reason=why))

    def _pairs_changed(self, trading_pair: str, sender: Any, answer: Any) -> None:
        """What is followed is remembered above those who follow it, for their next incarnation."""
        followed = self.environment.settings.trading_pairs
        if isinstance(answer, TradingPairAdded) and trading_pair not in followed:
            followed = (*followed, trading_pair)
        elif isinstance(answer, TradingPairRemoved):
            followed = tuple(pair for pair in followed if pair != trading_pair)
        if followed != self.environment.settings.trading_pairs:
            self.environment = self.environment.with_trading_pairs(followed)
            self.send(self._parent, TradingPairsChanged(trading_pairs=followed))
            if self.has_peer(roles.RULES):
                self.tell(roles.RULES, answer)
        if isinstance(answer, RequestFailed):
            answer = TradingPairRefused(trading_pair=trading_pair, reason=str(answer))
        self.reply(sender, answer)

    @handles(GetLastPrices)
    def _get_last_prices(self, message: GetLastPrices, sender: Any) -> None:
        if not self.forward(roles.RULES, message, sender):
            self._nobody_answers(roles.RULES, sender, LastPrices(prices=()))

    @handles(ReconcileOrders)
    def _reconcile(self, message: ReconcileOrders, _sender: Any) -> None:
        if self.has_peer(roles.ORDERS):
            self.tell(roles.ORDERS, message)

    def _nobody_answers(self, role: str, sender: Any, if_there_is_none: Any) -> None:
        """A connector without the component has nothing of the kind; one whose component is down does not know."""
        is_part = role in self._statuses
        self.reply(sender, NotAnswered(reason=self._why_not(role)) if is_part else if_there_is_none)

    def _why_not(self, role: str) -> str:
        if role not in self._statuses:
            return self._asked_reason
        return f"{role} is restarting: {self._statuses[role].reason}"

    @handles(CrashComponent)
    def _crash_component(self, message: CrashComponent, _sender: Any) -> None:
        address = self.child_address(message.role)
        if address is not None:
            self.send(address, Crash(reason=message.reason))

    # Subscriptions

    @handles(Subscribe)
    def _subscribe(self, message: Subscribe, sender: Any) -> None:
        address = getattr(sender, "address", sender)
        for topic in sorted(message.topics):  # a set of words has another order in each process
            if address in self._subscribers[topic]:
                continue
            self._subscribers[topic].append(address)
            if topic in _OWNER:
                self._tell_subscribers(topic)
            elif topic in self._latest:
                self.send(address, self._latest[topic])

    @handles(Unsubscribe)
    def _unsubscribe(self, message: Unsubscribe, sender: Any) -> None:
        address = getattr(sender, "address", sender)
        for topic in sorted(message.topics):  # a set of words has another order in each process
            if address in self._subscribers[topic]:
                self._subscribers[topic].remove(address)
                if topic in _OWNER:
                    self._tell_subscribers(topic)

    def _tell_subscribers(self, topic: Topic) -> None:
        if self.has_peer(_OWNER[topic]):
            self.tell(_OWNER[topic], Subscribers(topic=topic, addresses=tuple(self._subscribers[topic])))

    @handles(TradingRules)
    def _trading_rules(self, message: TradingRules, _sender: Any) -> None:
        self._publish(Topic.TRADING_RULES, message)

    @handles(TradeFees)
    def _trade_fees(self, message: TradeFees, _sender: Any) -> None:
        self._publish(Topic.FEES, message)

    @handles(Balances)
    def _balances(self, _message: Balances, _sender: Any) -> None:
        """Subscribers get them straight from the balance poller."""

    def _publish(self, topic: Topic, message: Any) -> None:
        self._latest[topic] = message
        for address in self._subscribers[topic]:
            self.send(address, message)

    # Figures of the whole tree

    @handles(GetFigures)
    def _get_figures(self, message: GetFigures, sender: Any) -> None:
        address = getattr(sender, "address", sender)
        connector = self.environment.connector
        self.send(address, TreeFigures(connector=connector, figures=self.own_figures(message.sent_ns)))
        for role, _, _ in self.child_peers():
            self.ask(role, message, partial(self._pass_on_figures, address), timeout_s=5.0)

    def _pass_on_figures(self, address: Any, answer: Figures | RequestFailed) -> None:
        if isinstance(answer, Figures):
            figures = replace(answer, restarts=self._core.restarts(answer.role))
            self.send(address, TreeFigures(connector=self.environment.connector, figures=figures))

    # The end

    @handles(Drain)
    def _drain(self, message: Drain, sender: Any) -> None:
        """Close the gate, cancel if so configured, ask what is left, answer. The components stay up until the exit."""
        self._asked_mode, self._asked_reason = TradingMode.CANCEL_ONLY, "stopping"
        self._status_changed()
        if not self.has_peer(roles.ORDERS):
            is_flat = True if self.environment.settings.is_market_data_only else None
            self.reply(sender, Drained(is_flat=is_flat, message=self._why_not(roles.ORDERS)))
            return
        if self.environment.settings.cancel_orders_on_stop:
            self.ask(
                roles.ORDERS,
                CancelAllOrders(timeout_s=message.timeout_s * 0.7),
                lambda _answer: self._ask_what_is_left(message, sender),
                timeout_s=message.timeout_s * 0.8,
            )
        else:
            self._ask_what_is_left(message, sender)

    def _ask_what_is_left(self, message: Drain, sender: Any) -> None:
        self.ask(
            roles.ORDERS,
            GetInFlightOrders(),
            lambda answer: self._drained(answer, sender),
            timeout_s=message.timeout_s * 0.2,
        )

    def _drained(self, answer: InFlightOrders | RequestFailed, sender: Any) -> None:
        if isinstance(answer, RequestFailed):
            self.reply(sender, Drained(is_flat=None, message=str(answer)))
            return
        left = [f"{order.client_order_id} {order.state.value}" for order in answer.orders]
        if not left:
            self.reply(sender, Drained(is_flat=True, message="no order of ours is open"))
            return
        is_unknown = all(order.state is OrderState.UNKNOWN for order in answer.orders)
        words = f"{len(left)} {'order is' if len(left) == 1 else 'orders are'} {'unknown' if is_unknown else 'open'}: "
        self.reply(sender, Drained(is_flat=None if is_unknown else False, message=words + ", ".join(left[:10])))

    @handles(ActorExitRequest)
    def _exit_requested(self, _message: Any, _sender: Any) -> None:
        """The system base ends the components with this actor."""
