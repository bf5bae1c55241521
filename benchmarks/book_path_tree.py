"""The openoutcry client of `book_path.py`: the actors of a connector that lie on the book path, on real sockets."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from thespian.actors import ActorSystem

from openoutcry.actors import roles
from openoutcry.actors.book.book_source import BookSource
from openoutcry.actors.book.book_tracker import BookTracker
from openoutcry.actors.ports.aiohttp_transport import AiohttpTransport
from openoutcry.actors.ports.clock import SystemClock
from openoutcry.actors.runtime import ComponentActor, Environment, Start, handles
from openoutcry.actors.system import AsyncioSystemBase
from openoutcry.config.schema import ConnectorSettings
from openoutcry.exchanges.binance.dialect import BinanceSpot
from openoutcry.exchanges.dialect import Endpoints
from openoutcry.messages.lifecycle import ComponentStatus, PeerUp, Subscribers, Topic
from openoutcry.messages.market import BestBidAsk, BookStale, GetOrderBook, OrderBookView
from openoutcry.messages.orders import OrderType, TimeInForce
from openoutcry.messages.rest import ExecuteRest, RestAnswer, SignedRequest
from openoutcry.messages.trading_rules import TradingRule, TradingRules

PAIR = "BTC-USDT"
_NONE = Decimal(0)
RULE = TradingRule(
    trading_pair=PAIR,
    symbol="BTCUSDT",
    base_asset="BTC",
    quote_asset="USDT",
    min_price_increment=Decimal("0.01"),
    min_price=_NONE,
    max_price=_NONE,
    min_base_amount_increment=Decimal("0.00001"),
    min_order_size=_NONE,
    max_order_size=_NONE,
    market_min_base_amount_increment=_NONE,
    market_min_order_size=_NONE,
    market_max_order_size=_NONE,
    min_notional_size=_NONE,
    min_notional_applies_to_market=False,
    max_notional_size=_NONE,
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    self_trade_prevention_modes=frozenset(),
    is_trading=True,
    status="TRADING",
)


class Reader(ComponentActor):
    """The parent of the two: stands for the facade and for the REST gateway, and reads what is published."""

    def begin(self, environment: Environment, on_quote: Callable[[BestBidAsk], None]) -> None:
        self.environment = environment
        self.on_quote = on_quote
        self.view: asyncio.Future[OrderBookView] = asyncio.get_running_loop().create_future()
        source = self.createActor(BookSource)
        book = self.createActor(BookTracker)
        peers = {roles.REST: self.myAddress, roles.BOOK: book, roles.BOOK_SOURCE: source}
        for role, address in ((roles.BOOK, book), (roles.BOOK_SOURCE, source)):
            others = tuple((name, peer, 1) for name, peer in peers.items() if name != role)
            self.send(address, Start(role=role, generation=1, environment=environment, peers=others))
        self.receiveMessage(PeerUp(role=roles.BOOK, address=book, generation=1), None)
        self.send(book, Subscribers(topic=Topic.BEST_BID_ASK, addresses=(self.myAddress,)))
        self.send(source, TradingRules(rules=(RULE,)))

    @handles(ExecuteRest)
    def _execute(self, message: ExecuteRest, sender: Any) -> None:
        query = "&".join(f"{name}={value}" for name, value in message.request.parameters)
        request = SignedRequest(method="GET", path_and_query=f"{message.request.path}?{query}")
        asked = self.environment.transport.request(self.environment.endpoints.rest_url, request, message.timeout_s)
        self.run(asked, lambda answer: self.reply(sender, RestAnswer(body=answer.body, sent_ms=0, received_ns=0)))

    @handles(BestBidAsk)
    def _quote(self, message: BestBidAsk, _sender: Any) -> None:
        self.on_quote(message)

    @handles(ComponentStatus)
    def _status_came(self, message: ComponentStatus, _sender: Any) -> None:
        pass

    @handles(BookStale)
    def _stale(self, message: BookStale, _sender: Any) -> None:
        raise RuntimeError(f"the book went stale: {message}")

    def ask_for_book(self) -> None:
        self.ask(roles.BOOK, GetOrderBook(trading_pair=PAIR, depth=None), self.view.set_result)


async def follow(
    url: str, last_id: int, go: Callable[[], Awaitable[None]], stop: Callable[[], None]
) -> tuple[dict[float, float], dict[float, float]]:
    """Follow the book until its best bid and ask of `last_id` is published; the book as it is then."""
    base = AsyncioSystemBase()
    system = ActorSystem(systemBase=base, transientUnique=True)
    transport = AiohttpTransport()
    first, last = asyncio.Event(), asyncio.Event()

    def on_quote(quote: BestBidAsk) -> None:
        if quote.update_id == last_id:
            stop()
            last.set()
        elif not first.is_set():
            first.set()

    environment = Environment(
        connector="benchmark",
        settings=ConnectorSettings(exchange="binance", trading_pairs=(PAIR,)),
        dialect=BinanceSpot(),
        endpoints=Endpoints(rest_url=url, ws_url=url.replace("http", "ws"), ws_api_url=url),
        transport=transport,
        clock=SystemClock(),
        seed=1,
    )
    address = system.createActor(Reader)
    reader: Any = address.cell.instance
    reader.begin(environment, on_quote)
    async with asyncio.timeout(60):
        await first.wait()
        await asyncio.sleep(0.05)
        await go()
        await last.wait()
        reader.ask_for_book()
        view = await reader.view
    await base.aclose()
    await transport.close()
    return dict(view.bids), dict(view.asks)
