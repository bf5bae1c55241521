"""The dead-letter actor: what found nobody is counted, and a lost word on an order is an alarm.

Hears: Thespian's DeadEnvelope and our Undelivered. Says: ReconcileOrders to every connector's facade when something was
lost that an order rests on. On restart it has forgotten its counts.
"""

import logging
from collections import Counter
from typing import Any

from thespian.actors import ChildActorExited, DeadEnvelope, WakeupMessage

from openoutcry.actors.runtime import ComponentActor, handles
from openoutcry.actors.runtime.requests import Answer, Ask
from openoutcry.messages.lifecycle import Undelivered
from openoutcry.messages.orders import FillUpdate, OpenOrdersSeen, OrderNotFound, OrderUpdate, ReconcileOrders
from openoutcry.messages.rest import RestAnswer, RestOutcomeUnknown, RestRefused

_ALARMING = (OrderUpdate, FillUpdate, OrderNotFound, OpenOrdersSeen, RestAnswer, RestRefused, RestOutcomeUnknown)
"""A fill, an order's state, or the answer to a request that may have been an order."""

_EXPECTED = (ChildActorExited, WakeupMessage)


class DeadLetters(ComponentActor):
    """Counts what found nobody; one sweep with losses makes every connector's order tracker reconcile once."""

    def on_start(self) -> None:
        """Receive what Thespian cannot deliver."""
        self._counts: Counter[str] = Counter()
        self._reconcile_is_due = False
        self.handleDeadLetters(self.myAddress)

    @handles(DeadEnvelope)
    def _dead_envelope(self, message: Any, _sender: Any) -> None:
        self._lost(message.deadMessage)

    @handles(Undelivered)
    def _undelivered(self, message: Undelivered, _sender: Any) -> None:
        self._lost(message.message)

    def _lost(self, message: Any) -> None:
        if isinstance(message, Undelivered):  # to an earlier dead-letter actor, and so itself undeliverable
            message = message.message
        body = message.body if isinstance(message, (Ask, Answer)) else message
        if isinstance(body, _EXPECTED):
            return
        name = type(body).__name__
        self._counts[name] += 1
        alarming = isinstance(body, _ALARMING)
        level = logging.WARNING if alarming and self._counts[name] == 1 else logging.DEBUG
        self.log.log(level, "a %s found nobody (number %d of its kind)", name, self._counts[name])
        if alarming and not self._reconcile_is_due:
            self._reconcile_is_due = True
            self.after(0.05, self._reconcile)

    def _reconcile(self) -> None:
        self._reconcile_is_due = False
        for role in self._peers:
            self.tell(role, ReconcileOrders(reason="a message about an order found nobody"))

    def figures(self) -> tuple[tuple[str, str], ...]:
        """Dead letters by message type."""
        return tuple((name, str(count)) for name, count in self._counts.most_common())
