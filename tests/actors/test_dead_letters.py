"""What found nobody: a lost word on an order makes every connector reconcile, once a burst."""

from decimal import Decimal

from harness import Stage, in_virtual_time

from openoutcry.actors.dead_letters import DeadLetters
from openoutcry.actors.roles import FACADE
from openoutcry.actors.runtime.actor import DEAD_LETTERS
from openoutcry.messages.lifecycle import GetFigures, Undelivered
from openoutcry.messages.market import GetLastPrices
from openoutcry.messages.orders import OrderState, OrderUpdate, ReconcileOrders

UPDATE = OrderUpdate(
    trading_pair="BTC-USDT",
    client_order_id="oo-1",
    exchange_order_id="501",
    state=OrderState.OPEN,
    executed_amount_base=Decimal(0),
    executed_amount_quote=Decimal(0),
    updated_ms=0,
)


def lost(message: object) -> Undelivered:
    return Undelivered(recipient="orders", message_type=type(message).__name__, message=message)


@in_virtual_time
async def test_a_burst_of_lost_words_on_orders_reconciles_once() -> None:
    async with Stage() as stage:
        stage.play(FACADE)
        letters = await stage.start(DeadLetters, DEAD_LETTERS)
        for _ in range(10):
            stage.tell(letters, lost(UPDATE))
        await stage.hears_a(FACADE, ReconcileOrders)
        await stage.settle()
        assert [type(message) for message in stage.heard[FACADE]].count(ReconcileOrders) == 1


@in_virtual_time
async def test_a_letter_to_a_dead_letter_actor_that_died_itself_is_read() -> None:
    async with Stage() as stage:
        stage.play(FACADE)
        letters = await stage.start(DeadLetters, DEAD_LETTERS)
        stage.tell(letters, lost(lost(UPDATE)))
        await stage.hears_a(FACADE, ReconcileOrders)
        assert (await stage.ask(letters, GetFigures(sent_ns=0))).extra == (("OrderUpdate", "1"),)


@in_virtual_time
async def test_a_lost_question_is_only_counted() -> None:
    async with Stage() as stage:
        stage.play(FACADE)
        letters = await stage.start(DeadLetters, DEAD_LETTERS)
        stage.tell(letters, lost(GetLastPrices(trading_pairs=())))
        assert (await stage.ask(letters, GetFigures(sent_ns=0))).extra == (("GetLastPrices", "1"),)
        assert ReconcileOrders not in [type(message) for message in stage.heard[FACADE]]
