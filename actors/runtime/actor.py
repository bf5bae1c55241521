"""The base class of our actors.

Thespian calls a handler that raised a second time with the same message, which would send an order twice, and tells a
parent nothing of the reason. Here nothing that a handler raises reaches Thespian: the actor reports it to its
supervisor and ends.

Rule 1: state changes only in handlers, timers' and answers' callbacks included, and these run one at a time.
Rule 2: a coroutine started with `run` changes no state; what it returns comes back as a message.
Rule 3: whatever an actor sends itself stays in this package; other messages are declared in `messages/`.
"""

import logging
import math
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from thespian.actors import Actor, ActorExitRequest, ChildActorExited, DeadEnvelope, PoisonMessage, WakeupMessage

from openoutcry.actors.ports.clock import Clock
from openoutcry.actors.ports.promise import Promise, Work
from openoutcry.actors.runtime.environment import Environment, Start, StartOutside
from openoutcry.actors.runtime.handlers import Handler, handler_table, handles
from openoutcry.actors.runtime.mailbox import POLICIES, MailboxOverflowed, MailboxPolicy, overflow
from openoutcry.actors.runtime.requests import (
    Answer,
    Ask,
    LookForTimeouts,
    PendingRequest,
    ReplyTo,
    RequestFailure,
    RequestUnsendable,
)
from openoutcry.actors.runtime.timers import CoroutineDone, Timer, TimerFired
from openoutcry.messages.lifecycle import (
    ChildFailed,
    ComponentStatus,
    Crash,
    Figures,
    GetFigures,
    PeerDown,
    PeerUp,
    Readiness,
    Undelivered,
)

_Result = TypeVar("_Result")

DEAD_LETTERS = "dead_letters"
"""Role of the actor that gets what found nobody."""


class DeliberateCrash(Exception):
    """Somebody asked for it."""


class LastingFailure(Exception):
    """Raised by an actor that cannot work until a person mends something; the text says what, and how.

    It is reported without a traceback, and the actor is started again now and then, outside the restart budget.
    """


class ComponentActor(Actor):
    """An actor of a connector's tree: one responsibility, the only owner of its state.

    A subclass declares handlers with `@handles(MessageType)` and overrides the hooks `on_…` that it needs. It sends
    with `tell` (by role), `send` (by address), `reply` and `ask`; waits with `after` and `every`; does I/O with `run`.
    """

    never_retry = True
    mailbox_limit: ClassVar[int | None] = 10_000
    mailbox_policies: ClassVar[dict[type, MailboxPolicy]] = POLICIES
    _table: ClassVar[dict[type, Handler]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._table = handler_table(cls)

    def __init__(self) -> None:
        super().__init__()
        self.role = type(self).__name__
        self.generation = 0
        self.environment: Environment = None  # type: ignore[assignment]  # comes with Start, the first message
        self.clock: Clock = None  # type: ignore[assignment]  # likewise
        self.log = logging.getLogger(f"openoutcry.{self.role}")
        self.handled = 0
        self.failed = 0
        self.dropped = 0
        self._parent: Any = None
        self._peers: dict[str, tuple[Any, int]] = {}
        self._fenced: set[Any] = set()
        self._pending: dict[int, PendingRequest] = {}
        self._next_request_id = 0
        self._next_deadline = math.inf
        self._timeouts_timer: Any = None
        self._status: ComponentStatus | None = None
        self.has_failed = False
        self._unknown_types: set[str] = set()

    # Hooks

    def on_start(self) -> None:
        """Run once, when the actor knows who it is. `environment` and the peers that are up are there."""

    def on_stop(self) -> None:
        """Run once at the end, in good order or after a crash (`has_failed`): release what was opened, nothing more."""

    def on_peer_up(self, role: str) -> None:
        """Run when a peer has a new address."""

    def on_peer_down(self, role: str) -> None:
        """Run when a peer is gone."""

    def on_overflow(self, message_type: type, key: object) -> None:
        """Run when messages of this type and key were dropped from the full mailbox."""

    def figures(self) -> tuple[tuple[str, str], ...]:
        """Figures of the role's own, for `Figures.extra`."""
        return ()

    # Sending

    def tell(self, role: str, message: Any) -> bool:
        """Send to the peer of that role; False, and a dead letter, when there is none now."""
        peer = self._peers.get(role)
        if peer is None:
            self._dead_letter(role, message)
            return False
        self.send(peer[0], message)
        return True

    def has_peer(self, role: str) -> bool:
        """Whether a peer of that role is up, as far as this actor was told."""
        return role in self._peers

    def reply(self, sender: Any, message: Any) -> None:
        """Answer whoever asked or told: `sender` as the handler got it."""
        if type(sender) is ReplyTo:
            self.send(sender.address, Answer(sender.request_id, message))
        elif sender is not None:
            self.send(sender, message)

    def forward(self, role: str, message: Any, sender: Any) -> bool:
        """Pass a question on: the answer goes straight to who asked. False, and nothing sent, without such a peer."""
        peer = self._peers.get(role)
        if peer is None:
            return False
        if type(sender) is ReplyTo:
            self.send(peer[0], Ask(sender.request_id, message, sender.address))
        else:
            self.send(peer[0], message)
        return True

    def ask(
        self, role: str, message: Any, then: Callable[[Any], None], *, timeout_s: float = 10.0, resend: bool = False
    ) -> int:
        """Ask the peer of that role; `then` gets the answer, or a `RequestFailed`.

        With `resend` the question is asked again of the peer's next incarnation, and waits for it when there is none
        now: only for questions that do no harm when they are heard twice.
        """
        self._next_request_id += 1
        request_id = self._next_request_id
        deadline = self._myRef.loop.time() + timeout_s
        self._pending[request_id] = PendingRequest(role, message, then, resend, deadline)
        if deadline < self._next_deadline:
            self._look_for_timeouts_at(deadline, timeout_s)
        peer = self._peers.get(role)
        if peer is not None:
            self.send(peer[0], Ask(request_id, message))
        elif not resend:
            self.send(self.myAddress, RequestUnsendable(request_id))
        return request_id

    # Time and I/O

    def after(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call once, `delay_s` from now."""
        return self._arm(Timer(callback, None), delay_s)

    def every(self, interval_s: float, callback: Callable[[], None], *, first_s: float | None = None) -> Timer:
        """Call again and again, `interval_s` after the end of the last call; first after `first_s` if given."""
        return self._arm(Timer(callback, interval_s), interval_s if first_s is None else first_s)

    def soon(self, callback: Callable[[], None]) -> None:
        """Call once, when the messages that lie in the mailbox now are handled."""
        self.send(self.myAddress, TimerFired(Timer(callback, None)))

    def run(
        self,
        work: Work[_Result],
        then: Callable[[_Result], None],
        on_error: Callable[[BaseException], None] | None = None,
    ) -> Any:
        """Do work beside the actor; what it comes to goes to `then`, as a message. The handle can be cancelled.

        An exception goes to `on_error`; without one it is a crash of this actor.
        """
        run = self._myRef.follow if type(work) is Promise else self._myRef.run_coroutine
        return run(work, lambda result, error: CoroutineDone(then, on_error, result, error))

    # Status

    def set_readiness(self, readiness: Readiness, reason: str = "", next_step: str = "") -> None:
        """Tell the facade how this component is; repeated words are not sent again."""
        last = self._status
        if last and last.readiness is readiness and last.reason == reason and last.next_step == next_step:
            return
        now_ms = self.clock.wall_ms()
        since_ms = last.since_ms if last and last.readiness is readiness else now_ms
        self._status = ComponentStatus(
            role=self.role, readiness=readiness, reason=reason, since_ms=since_ms, next_step=next_step
        )
        if self._parent is not None:
            self.send(self._parent, self._status)

    @property
    def readiness(self) -> Readiness:
        """What was told last."""
        return self._status.readiness if self._status else Readiness.STARTING

    # Receiving

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - Thespian's name
        """Find the message's handler and run it; whatever it raises ends this actor, once."""
        if self.has_failed:
            self._receive_after_failure(message)
            return
        if self._fenced and sender in self._fenced:
            self.dropped += 1
            return
        handler = self._table.get(type(message))
        try:
            if handler is None:
                self._unknown(message)
            else:
                handler(self, message, sender)
                self.handled += 1
        except Exception as error:  # noqa: BLE001 - let it crash: reported below, and the actor ends
            self._fail(message, error)

    def mailbox_overflow(self, mailbox: deque[tuple[Any, Any]], message: Any, sender: Any) -> None:
        """Called by the system base when the mailbox is at its limit."""
        self.dropped += overflow(self.mailbox_policies, mailbox, message, sender)

    @handles(Start)
    def _start(self, message: Start, sender: Any) -> None:
        self.role = message.role
        self.generation = message.generation
        self.environment = message.environment
        self.clock = message.environment.clock
        self.log = logging.getLogger(f"openoutcry.{message.environment.connector}.{message.role}")
        self._begin(message.peers, sender)

    @handles(StartOutside)
    def _start_outside(self, message: StartOutside, sender: Any) -> None:
        self.role = message.role
        self.generation = message.generation
        self.clock = message.clock
        self.log = logging.getLogger(f"openoutcry.{message.role}")
        self._begin(message.peers, sender)

    @handles(Ask)
    def _asked(self, message: Ask, sender: Any) -> None:
        handler = self._table.get(type(message.body))
        if handler is None:
            self._unknown(message.body)
        else:
            handler(self, message.body, ReplyTo(message.reply_to or sender, message.request_id))

    @handles(Answer)
    def _answered(self, message: Answer, _sender: Any) -> None:
        pending = self._pending.pop(message.request_id, None)
        if pending is not None:
            pending.then(message.body)

    @handles(LookForTimeouts)
    def _look_for_timeouts(self, _message: LookForTimeouts, _sender: Any) -> None:
        self._next_deadline = math.inf
        now = self._myRef.loop.time()
        late = [request_id for request_id, pending in self._pending.items() if pending.deadline <= now]
        for request_id in late:
            pending = self._pending.pop(request_id, None)
            if pending is not None:
                pending.then(pending.failed(RequestFailure.TIMED_OUT))
        earliest = min((pending.deadline for pending in self._pending.values()), default=math.inf)
        if earliest < self._next_deadline:
            self._look_for_timeouts_at(earliest, earliest - now)

    @handles(RequestUnsendable)
    def _request_unsendable(self, message: RequestUnsendable, _sender: Any) -> None:
        pending = self._pending.pop(message.request_id, None)
        if pending is not None:
            pending.then(pending.failed(RequestFailure.NOT_THERE))

    @handles(TimerFired)
    def _timer_fired(self, message: TimerFired, _sender: Any) -> None:
        timer = message.timer
        callback = timer.callback
        if callback is None:
            return
        if timer.interval_s is None:
            timer.callback = None
            callback()
        else:
            callback()
            if timer.is_active:
                self._arm(timer, timer.interval_s)

    @handles(CoroutineDone)
    def _coroutine_done(self, message: CoroutineDone, _sender: Any) -> None:
        if message.error is None:
            message.then(message.result)
        elif message.on_error is not None:
            message.on_error(message.error)
        else:
            raise message.error

    @handles(PeerUp)
    def _peer_up(self, message: PeerUp, _sender: Any) -> None:
        known = self._peers.get(message.role)
        if known is not None:
            if known[1] > message.generation or known[0] == message.address:
                return
            self._lose_peer(message.role)
        self._peers[message.role] = (message.address, message.generation)
        for request_id, pending in list(self._pending.items()):
            if pending.role == message.role and pending.resend:
                self.send(message.address, Ask(request_id, pending.body))
        self.on_peer_up(message.role)

    @handles(PeerDown)
    def _peer_down(self, message: PeerDown, _sender: Any) -> None:
        known = self._peers.get(message.role)
        if known is not None and known[1] <= message.generation:
            self._lose_peer(message.role)

    @handles(MailboxOverflowed)
    def _mailbox_overflowed(self, message: MailboxOverflowed, _sender: Any) -> None:
        self.on_overflow(message.message_type, message.key)

    @handles(GetFigures)
    def _get_figures(self, message: GetFigures, sender: Any) -> None:
        self.reply(sender, self.own_figures(message.sent_ns))

    def own_figures(self, asked_ns: int) -> Figures:
        """The figures of this actor; `asked_ns` is when they were asked for, on the monotonic clock."""
        return Figures(
            role=self.role,
            generation=self.generation,
            handled=self.handled,
            failed=self.failed,
            dropped=self.dropped,
            mailbox_depth=self._myRef.base.mailbox_depth(self.myAddress),
            mailbox_age_s=(self.clock.monotonic_ns() - asked_ns) / 1e9,
            extra=self.figures(),
        )

    @handles(Crash)
    def _crash(self, message: Crash, _sender: Any) -> None:
        raise DeliberateCrash(message.reason)

    @handles(ActorExitRequest)
    def _exit_requested(self, _message: Any, _sender: Any) -> None:
        self.on_stop()

    @handles(WakeupMessage, ChildActorExited, PoisonMessage, DeadEnvelope)
    def _thespian_notice(self, message: Any, _sender: Any) -> None:
        """Notices of Thespian that this role has no use for."""

    # The inside

    def _look_for_timeouts_at(self, deadline: float, delay_s: float) -> None:
        self._next_deadline = deadline
        if self._timeouts_timer is not None:
            self._timeouts_timer.cancel()
        self._timeouts_timer = self._myRef.call_later(max(0.0, delay_s), LookForTimeouts())

    def _begin(self, peers: tuple[tuple[str, Any, int], ...], parent: Any) -> None:
        self._parent = parent
        for role, address, generation in peers:
            self._peers[role] = (address, generation)
        self.on_start()

    def _arm(self, timer: Timer, delay_s: float) -> Timer:
        timer.armed(self._myRef.call_later(delay_s, TimerFired(timer)))
        return timer

    def _lose_peer(self, role: str) -> None:
        address, _generation = self._peers.pop(role)
        self._fenced.add(address)
        for request_id, pending in list(self._pending.items()):
            if pending.role == role and not pending.resend:
                del self._pending[request_id]
                pending.then(pending.failed(RequestFailure.PEER_DOWN))
        self.on_peer_down(role)

    def _receive_after_failure(self, message: Any) -> None:
        """Between the crash and the exit: what lies in the mailbox is a dead letter."""
        if isinstance(message, ActorExitRequest):
            try:
                self.on_stop()
            except Exception:
                self.log.exception("%s could not release all that it had opened", self.role)
        elif not isinstance(message, (ChildActorExited, TimerFired, CoroutineDone, LookForTimeouts)):
            self._dead_letter(self.role, message)

    def _unknown(self, message: Any) -> None:
        name = type(message).__name__
        if name not in self._unknown_types:
            self._unknown_types.add(name)
            self.log.warning("%s has no handler for %s; it is dropped, and so are the next", self.role, name)
        self.dropped += 1

    def _dead_letter(self, recipient: str, message: Any) -> None:
        peer = self._peers.get(DEAD_LETTERS)
        if peer is not None:
            body = message.body if isinstance(message, (Ask, Answer)) else message
            self.send(peer[0], Undelivered(recipient=recipient, message_type=type(body).__name__, message=body))

    def _fail(self, message: Any, error: Exception) -> None:
        self.has_failed = True
        self.failed += 1
        body = message.body if isinstance(message, (Ask, Answer)) else message
        is_lasting = isinstance(error, LastingFailure)
        report = ChildFailed(
            role=self.role,
            generation=self.generation,
            message_type=type(body).__name__,
            error=str(error) if is_lasting else f"{type(error).__name__}: {error}",
            traceback="" if is_lasting else "".join(traceback.format_exception(error)),
            is_lasting=is_lasting,
        )
        if self._parent is not None:
            self.send(self._parent, report)
        else:
            self.log.error("%s failed before its start: %s", self.role, report.error)
        self.send(self.myAddress, ActorExitRequest())
