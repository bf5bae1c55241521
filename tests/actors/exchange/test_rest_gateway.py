"""The gateway in virtual time: what leaves, how often, when, and what is said of how it ended."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest
from harness import NOWHERE, ScriptedTransport, Stage, in_virtual_time
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.actors.exchange.rest_gateway import RestGateway
from openoutcry.actors.ports.transport import HttpResponse, NotSent, OutcomeUnknown, TransportError
from openoutcry.actors.roles import CLOCK, REST, SIGNER
from openoutcry.exchanges.dialect import Credentials
from openoutcry.messages.lifecycle import GetFigures, Readiness
from openoutcry.messages.rest import (
    ClockOffset,
    ClockSkewSuspected,
    ErrorKind,
    ExecuteRest,
    Purpose,
    RateLimitsKnown,
    RestAnswer,
    RestNotSent,
    RestOutcomeUnknown,
    RestRefused,
    RestRequest,
    Security,
    SignedRequest,
    SigningFailed,
    SignRest,
)
from openoutcry.messages.trading_rules import RateLimit

CREDENTIALS = Credentials(api_key="k" * 64, api_secret="s" * 64)
QUESTION = RestRequest(method="GET", path="/api/v3/time", costs=(("REQUEST_WEIGHT", 1),))
ORDER = RestRequest(
    method="POST",
    path="/api/v3/order",
    parameters=(("symbol", "BTCUSDT"),),
    security=Security.SIGNED,
    purpose=Purpose.PLACE,
    is_idempotent=False,
    costs=(("REQUEST_WEIGHT", 1), ("ORDERS_10S", 1)),
)
CANCEL = RestRequest(
    method="DELETE",
    path="/api/v3/order",
    security=Security.SIGNED,
    purpose=Purpose.CANCEL,
    costs=(("REQUEST_WEIGHT", 1),),
)


def success(body: bytes = b"{}", **headers: str) -> HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status=200, headers=named, body=body)


def failure(status: int, code: int, message: str, **headers: str) -> HttpResponse:
    body = orjson.dumps({"code": code, "msg": message})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status=status, headers=named, body=body)


UNAVAILABLE = failure(503, -1000, "Unknown error, please check your request or try again later.")
SKEW = failure(400, -1021, "Timestamp for this request is outside of the recvWindow.")
BANNED = failure(418, -1003, "Way too much request weight used; IP banned.", retry_after="120")
LIMITED = failure(429, -1003, "Too much request weight used.", retry_after="7")
REFUSED = NotSent("GET https://rest.test/api: Connection refused")
RESET = OutcomeUnknown("POST https://rest.test/api: Connection reset by peer")


class Script:
    """A server that answers with these outcomes, one after the other, and with the last one for ever."""

    def __init__(self, *outcomes: HttpResponse | TransportError) -> None:
        self.outcomes = list(outcomes)

    def __call__(self, _request: SignedRequest) -> HttpResponse | TransportError:
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]


class Scene(Stage):
    """A gateway with a signer and a clock around it."""

    def __init__(self, *outcomes: HttpResponse | TransportError, respond: Callable[..., Any] | None = None) -> None:
        self.wire = ScriptedTransport(respond=respond or Script(*outcomes))
        super().__init__(transport=self.wire)
        self.play(SIGNER, self.sign)
        self.play(CLOCK, self.measure)
        self.measured = ClockOffset(offset_ms=0.0, uncertainty_ms=1.0)

    def sign(self, question: Any) -> Any:
        assert isinstance(question, SignRest)
        return self.environment.dialect.sign(question.request, CREDENTIALS, question.timestamp_ms)

    def measure(self, question: Any) -> Any:
        assert isinstance(question, ClockSkewSuspected)
        return self.measured

    async def gateway(self) -> Any:
        return await self.start(RestGateway, REST)

    @property
    def left(self) -> list[str]:
        """Methods and paths of the requests that left, the gateway's own probes apart."""
        return [f"{one.method} {one.path_and_query.partition('?')[0]}" for _, one in self.wire.requests]

    @property
    def times(self) -> list[float]:
        return [at_s for at_s, _ in self.wire.requests]


def execute(request: RestRequest, timeout_s: float = 10.0) -> ExecuteRest:
    return ExecuteRest(request=request, timeout_s=timeout_s)


@in_virtual_time
async def test_a_question_gets_its_answer_with_the_exchange_time_at_which_it_left() -> None:
    async with Scene(success(b'{"a":1}')) as scene:
        rest = await scene.gateway()
        scene.tell(rest, ClockOffset(offset_ms=5_000.0, uncertainty_ms=1.0))
        answer = await scene.ask(rest, execute(QUESTION))
        assert isinstance(answer, RestAnswer)
        assert answer.body == b'{"a":1}'
        assert answer.sent_ms == scene.clock.wall_ms() + 5_000 - 1
        assert answer.received_ns == scene.clock.monotonic_ns()
        assert scene.heard[SIGNER] == []
        assert scene.last_status is not None
        assert scene.last_status.readiness is Readiness.READY


@in_virtual_time
async def test_what_needs_a_signature_is_stamped_with_exchange_time_and_signed() -> None:
    async with Scene(success()) as scene:
        rest = await scene.gateway()
        scene.tell(rest, ClockOffset(offset_ms=-250.4, uncertainty_ms=1.0))
        answer = await scene.ask(rest, execute(ORDER))
        (question,) = scene.heard[SIGNER]
        assert question.timestamp_ms == answer.sent_ms == round(scene.clock.wall_ms() - 1 - 250.4)
        assert f"timestamp={answer.sent_ms}" in scene.wire.requests[0][1].path_and_query


@in_virtual_time
async def test_a_request_that_nothing_holds_up_takes_the_wires_time_and_no_timer_but_that_of_questions() -> None:
    async with Scene(success()) as scene:
        rest = await scene.gateway()
        await scene.ask(rest, execute(QUESTION))
        before_s = asyncio.get_running_loop().time()
        await scene.ask(rest, execute(ORDER))
        assert asyncio.get_running_loop().time() - before_s == pytest.approx(scene.wire.latency_s)
        assert len(scene.base.actorRegistry[rest.actorAddressString].timers) <= 1


@pytest.mark.parametrize("outcome", [UNAVAILABLE, failure(504, -1007, "Timeout waiting for response."), RESET])
def test_an_order_whose_outcome_is_unknown_is_not_sent_again(outcome: HttpResponse | TransportError) -> None:
    @in_virtual_time
    async def play() -> None:
        async with Scene(outcome, success()) as scene:
            rest = await scene.gateway()
            answer = await scene.ask(rest, execute(ORDER))
            assert isinstance(answer, RestOutcomeUnknown)
            assert answer.sent_ms == scene.clock.wall_ms() - 1
            await asyncio.sleep(60.0)
            assert scene.left.count("POST /api/v3/order") == 1

    play()


@pytest.mark.parametrize("outcome", [UNAVAILABLE, RESET, REFUSED, failure(503, -1008, "Server is overloaded.")])
def test_a_question_is_asked_again_until_it_is_answered(outcome: HttpResponse | TransportError) -> None:
    @in_virtual_time
    async def play() -> None:
        async with Scene(outcome, outcome, outcome, success(b"at last")) as scene:
            rest = await scene.gateway()
            answer = await scene.ask(rest, execute(msgspec.structs.replace(QUESTION, path="/api/v3/depth")))
            assert isinstance(answer, RestAnswer)
            pauses = [later - earlier for earlier, later in zip(scene.times, scene.times[1:], strict=False)]
            assert all(pause > 0.04 for pause in pauses)

    play()


@in_virtual_time
async def test_a_question_that_finds_no_answer_in_its_time_says_so() -> None:
    async with Scene(REFUSED) as scene:
        rest = await scene.gateway()
        answer = await scene.ask(rest, execute(QUESTION, 3.0))
        assert answer == RestNotSent(reason="cannot reach https://rest.test (connection refused)")
        assert asyncio.get_running_loop().time() <= 3.0


@in_virtual_time
async def test_a_cancel_that_may_have_reached_the_exchange_is_never_called_unsent() -> None:
    async with Scene(RESET, REFUSED) as scene:
        rest = await scene.gateway()
        answer = await scene.ask(rest, execute(CANCEL, 2.0))
        assert isinstance(answer, RestOutcomeUnknown)
        assert answer.sent_ms < scene.clock.wall_ms() - 500


@in_virtual_time
async def test_an_order_that_could_not_be_sent_is_not_sent_later() -> None:
    async with Scene(REFUSED, success()) as scene:
        rest = await scene.gateway()
        answer = await scene.ask(rest, execute(ORDER))
        assert isinstance(answer, RestNotSent)
        await asyncio.sleep(60.0)
        assert scene.left.count("POST /api/v3/order") == 1


@in_virtual_time
async def test_an_unreachable_exchange_shows_and_its_return_too_without_anybody_asking() -> None:
    async with Scene(success()) as scene:
        rest = await scene.gateway()
        await scene.ask(rest, execute(QUESTION))
        scene.wire.respond = Script(REFUSED)
        await scene.ask(rest, execute(ORDER))
        status = await scene.is_told(Readiness.DEGRADED)
        assert status.reason == f"cannot reach {NOWHERE.rest_url} (connection refused)"
        await asyncio.sleep(120.0)
        assert scene.last_status is status
        scene.wire.respond = Script(success())
        await scene.is_told(Readiness.READY, patience_s=20.0)


@in_virtual_time
async def test_one_answer_lost_is_no_reason_to_be_degraded_and_three_in_a_row_are() -> None:
    async with Scene(success(), RESET, RESET, RESET, success()) as scene:
        rest = await scene.gateway()
        await scene.ask(rest, execute(QUESTION))
        for _ in range(2):
            await scene.ask(rest, execute(ORDER))
        assert scene.last_status is not None
        assert scene.last_status.readiness is Readiness.READY
        await scene.ask(rest, execute(ORDER))
        assert (await scene.is_told(Readiness.DEGRADED)).reason.startswith("no answer from https://rest.test")
        await scene.is_told(Readiness.READY, patience_s=20.0)


@in_virtual_time
async def test_not_one_request_leaves_during_a_ban() -> None:
    async with Scene(success(), BANNED, success()) as scene:
        rest = await scene.gateway()
        await scene.ask(rest, execute(QUESTION))
        assert isinstance(await scene.ask(rest, execute(ORDER)), RestNotSent)
        banned_s = asyncio.get_running_loop().time()
        status = await scene.is_told(Readiness.DEGRADED)
        assert "banned" in status.reason
        assert status.next_step == "goes on in 120 s"
        patient = scene.ask_later(rest, execute(QUESTION, 300.0))
        for request in (ORDER, CANCEL, QUESTION):
            answer = await scene.ask(rest, execute(request))
            assert isinstance(answer, RestNotSent)
            assert "ban" in answer.reason
            assert answer.retry_after_s is not None
        assert isinstance(await patient, RestAnswer)
        assert [at_s for at_s in scene.times if banned_s < at_s < banned_s + 120.0] == []
        await scene.is_told(Readiness.READY)


@in_virtual_time
async def test_a_ban_that_comes_while_a_request_is_being_signed_keeps_it_in() -> None:
    async with Scene(success(), BANNED) as scene:
        rest = await scene.gateway()
        scene.lose(SIGNER)
        scene.play(SIGNER)
        scene.announce(SIGNER)
        await scene.ask(rest, execute(QUESTION))
        order = scene.ask_later(rest, execute(ORDER))
        await scene.hears_a(SIGNER, SignRest)
        await scene.ask(rest, execute(msgspec.structs.replace(QUESTION, is_idempotent=False)))
        left = len(scene.wire.requests)
        scene.play(SIGNER, scene.sign)
        scene.announce(SIGNER)
        assert isinstance(await order, RestNotSent)
        assert len(scene.wire.requests) == left


@in_virtual_time
async def test_too_many_requests_silence_all_until_the_exchange_allows_it() -> None:
    async with Scene(success(), LIMITED, success(b"later")) as scene:
        rest = await scene.gateway()
        await scene.ask(rest, execute(QUESTION))
        asked_s = asyncio.get_running_loop().time()
        answer = await scene.ask(rest, execute(QUESTION, 20.0))
        assert isinstance(answer, RestAnswer)
        assert asyncio.get_running_loop().time() - asked_s >= 7.0
        assert [at_s for at_s in scene.times if asked_s + 0.002 < at_s < asked_s + 7.0] == []


@in_virtual_time
async def test_an_order_that_was_too_many_is_given_back_with_the_time_to_wait() -> None:
    async with Scene(LIMITED) as scene:
        rest = await scene.gateway()
        answer = await scene.ask(rest, execute(ORDER))
        assert isinstance(answer, RestNotSent)
        assert answer.retry_after_s == 7.0


@in_virtual_time
async def test_a_wrong_clock_is_repaired_and_the_order_sent_with_the_right_stamp() -> None:
    async with Scene(SKEW, success()) as scene:
        scene.measured = ClockOffset(offset_ms=90_000.0, uncertainty_ms=1.0)
        rest = await scene.gateway()
        answer = await scene.ask(rest, execute(ORDER))
        assert isinstance(answer, RestAnswer)
        stamps = [question.timestamp_ms for question in scene.heard[SIGNER]]
        assert stamps[1] - stamps[0] >= 90_000


@in_virtual_time
async def test_a_clock_that_cannot_be_repaired_ends_in_a_refusal_after_two_attempts() -> None:
    async with Scene(SKEW) as scene:
        rest = await scene.gateway()
        answer = await scene.ask(rest, execute(ORDER))
        assert isinstance(answer, RestRefused)
        assert answer.error.kind is ErrorKind.CLOCK_SKEW
        assert len(scene.left) == 3
        assert len(scene.heard[CLOCK]) == 2


@in_virtual_time
async def test_without_a_signer_nothing_leaves_and_the_reason_is_told() -> None:
    async with Scene(success()) as scene:
        rest = await scene.gateway()
        scene.lose(SIGNER)
        answer = await scene.ask(rest, execute(ORDER))
        assert isinstance(answer, RestNotSent)
        assert "there is no such peer" in answer.reason
        assert scene.left == []


@in_virtual_time
async def test_a_signer_that_cannot_sign_gives_its_reason_and_costs_no_budget() -> None:
    async with Scene(success()) as scene:
        scene.play(SIGNER, lambda _: SigningFailed(reason="environment variable X is not set"))
        rest = await scene.gateway()
        for _ in range(500):
            answer = await scene.ask(rest, execute(ORDER))
            assert answer == RestNotSent(reason="cannot sign: environment variable X is not set")


@in_virtual_time
async def test_a_signer_that_goes_down_over_a_question_loses_no_request() -> None:
    async with Scene(success()) as scene:
        scene.play(SIGNER)
        rest = await scene.gateway()
        order = scene.ask_later(rest, execute(ORDER))
        await scene.hears_a(SIGNER, SignRest)
        scene.lose(SIGNER)
        assert isinstance(await order, RestNotSent)


@in_virtual_time
async def test_orders_beyond_the_budget_wait_for_the_next_window_and_cancels_do_not() -> None:
    async with Scene(success()) as scene:
        rest = await scene.gateway()
        limits = (RateLimit(name="ORDERS_10S", limit=5, interval_s=10.0),)
        scene.tell(rest, RateLimitsKnown(limits=limits))
        await asyncio.sleep(20.0)
        answers = [scene.ask_later(rest, execute(ORDER, 15.0)) for _ in range(6)]
        assert isinstance(await scene.ask(rest, execute(CANCEL)), RestAnswer)
        assert asyncio.get_running_loop().time() < 21.0
        assert [answer for answer in await asyncio.gather(*answers) if not isinstance(answer, RestAnswer)] == []
        assert sum(at_s < 29.0 for at_s in scene.times) == 5
        figures = await scene.ask(rest, GetFigures(sent_ns=scene.clock.monotonic_ns()))
        assert ("requests", "7") in figures.extra


@in_virtual_time
async def test_who_would_wait_too_long_is_told_which_limit() -> None:
    async with Scene(success()) as scene:
        rest = await scene.gateway()
        scene.tell(rest, RateLimitsKnown(limits=(RateLimit(name="ORDERS_10S", limit=1, interval_s=10.0),)))
        answer = await scene.ask(rest, execute(ORDER, 1.0))
        assert isinstance(answer, RestNotSent)
        assert "ORDERS_10S (1 in 10 s, 1 of them kept for cancels)" in answer.reason


@in_virtual_time
async def test_the_exchanges_count_in_the_headers_is_believed() -> None:
    async with Scene(success(x_mbx_used_weight_1m="5999")) as scene:
        rest = await scene.gateway()
        await asyncio.sleep(1.0)
        await scene.ask(rest, execute(QUESTION))
        assert isinstance(await scene.ask(rest, execute(QUESTION, 5.0)), RestNotSent)
        assert isinstance(await scene.ask(rest, execute(CANCEL, 5.0)), RestAnswer)


@in_virtual_time
async def test_what_the_exchange_refuses_is_told_in_its_words() -> None:
    async with Scene(failure(400, -2010, "Account has insufficient balance for requested action.")) as scene:
        rest = await scene.gateway()
        answer = await scene.ask(rest, execute(ORDER))
        assert isinstance(answer, RestRefused)
        assert answer.error.kind is ErrorKind.INSUFFICIENT_BALANCE
        assert scene.last_status is not None
        assert scene.last_status.readiness is Readiness.READY


faults = st.sampled_from(
    [
        "ok",
        "ok",
        "reset before",
        "reset after",
        "5xx before",
        "5xx after",
        "refused",
        "busy",
        "skew",
        "limited",
        "rejected",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["order", "question"]), faults, faults, faults), min_size=1, max_size=8))
def test_no_order_is_executed_twice_and_no_answer_says_what_is_not_true(
    plan: list[tuple[str, str, str, str]],
) -> None:
    executed: dict[str, int] = {}
    fates = {f"{kind}-{number}": list(rest) for number, (kind, *rest) in enumerate(plan)}

    def respond(request: SignedRequest) -> HttpResponse | TransportError:
        name = request.path_and_query.partition("name=")[2].partition("&")[0]
        fate = fates[name].pop(0) if fates.get(name) else "ok"
        if fate in ("ok", "reset after", "5xx after"):
            executed[name] = executed.get(name, 0) + 1
        outcomes: dict[str, HttpResponse | TransportError] = {
            "ok": success(),
            "reset before": RESET,
            "reset after": RESET,
            "5xx before": UNAVAILABLE,
            "5xx after": UNAVAILABLE,
            "refused": REFUSED,
            "busy": failure(503, -1008, "Server is overloaded."),
            "skew": SKEW,
            "limited": failure(429, -1003, "Too much.", retry_after="1"),
            "rejected": failure(400, -1013, "Filter failure: LOT_SIZE"),
        }
        return outcomes[fate]

    @in_virtual_time
    async def play() -> None:
        async with Scene(respond=respond) as scene:
            rest = await scene.gateway()
            asked = {}
            for name in fates:
                kind = ORDER if name.startswith("order") else QUESTION
                asked[name] = scene.ask_later(
                    rest, execute(msgspec.structs.replace(kind, parameters=(("name", name),)), 30.0)
                )
            for name, future in asked.items():
                async with asyncio.timeout(60.0):
                    answer = await future
                count = executed.get(name, 0)
                if name.startswith("order"):
                    assert count <= 1
                    if isinstance(answer, RestAnswer):
                        assert count == 1
                    elif isinstance(answer, (RestNotSent, RestRefused)):
                        assert count == 0
                else:
                    assert not isinstance(answer, RestNotSent) or count == 0
            assert scene.crashes == []

    play()
