"""The state behind Binance spot's wire: the engine, API keys, limits, statistics, and what waits to be sent."""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal

from openoutcry.emulator.binance.auth import ApiKey, KeyRing
from openoutcry.emulator.binance.limits import IpUsage, OrderUsage, RateLimits
from openoutcry.emulator.binance.statistics import MarketStatistics
from openoutcry.emulator.engine import (
    BalanceDelta,
    BalanceReport,
    Event,
    Exchange,
    ExecutionType,
    Market,
    OrderReport,
    PublicTrade,
)


class BinanceExchange:
    """Everything one emulated Binance knows. No sockets and no clock: times come in with each call."""

    def __init__(self, markets: Iterable[Market], limits: RateLimits | None = None) -> None:
        self.engine = Exchange(markets)
        self.keys = KeyRing()
        self.limits = limits or RateLimits()
        self.statistics = {symbol: MarketStatistics(symbol) for symbol in self.engine.markets}
        self.listeners: Counter[str] = Counter()
        """User streams open for each account."""
        self.public_streams = False
        """Whether anybody listens to public streams; without listeners no trade is kept for them."""
        self.user_outbox: list[OrderReport | BalanceReport | BalanceDelta] = []
        self.trade_outbox: list[PublicTrade] = []
        self._ip_usage: dict[str, IpUsage] = {}
        self._order_usage: dict[str, OrderUsage] = {}

    def create_account(self, account_id: str, balances: Mapping[str, Decimal], key: ApiKey | None = None) -> None:
        """Open an account, with an API key of its own if one is given."""
        self.engine.open_account(account_id, balances)
        self._order_usage[account_id] = OrderUsage(self.limits)
        if key is not None:
            self.keys.add(key)

    def deposit(self, account_id: str, asset: str, amount: Decimal, now_ms: int) -> None:
        """Credit an account (a negative amount debits it); its user streams hear of it."""
        self.record(self.engine.deposit(account_id, asset, amount, now_ms))

    def market(self, symbol: str) -> Market:
        """The market of that symbol, as it is now. Raises `Rejected` (-1121) if there is none."""
        return self.engine.market(symbol)

    def ip_usage(self, ip: str) -> IpUsage:
        """What an address has used so far."""
        usage = self._ip_usage.get(ip)
        if usage is None:
            usage = self._ip_usage[ip] = IpUsage(self.limits)
        return usage

    def order_usage(self, account_id: str) -> OrderUsage:
        """What an account has used so far."""
        usage = self._order_usage.get(account_id)
        if usage is None:
            usage = self._order_usage[account_id] = OrderUsage(self.limits)
        return usage

    def record(self, events: Iterable[Event]) -> None:
        """Take in what the engine says happened: statistics, limits, and what subscribers are to hear."""
        for event in events:
            if isinstance(event, PublicTrade):
                self.statistics[event.symbol].add(event)
                if self.public_streams:
                    self.trade_outbox.append(event)
                continue
            if isinstance(event, OrderReport) and event.execution_type is ExecutionType.TRADE:
                self._give_back_order_count(event)
            if self.listeners.get(event.account_id):
                self.user_outbox.append(event)

    def _give_back_order_count(self, report: OrderReport) -> None:
        trade = report.trade
        if trade is None or not trade.is_maker or trade.quantity != report.order.executed_quantity:
            return  # takers are counted where they are placed; only the first fill gives the place back
        usage = self._order_usage.get(report.account_id)
        if usage is not None:
            usage.filled()

    def take_user_events(self) -> list[OrderReport | BalanceReport | BalanceDelta]:
        """What waits for user streams, oldest first; it is handed out once."""
        waiting, self.user_outbox = self.user_outbox, []
        return waiting

    def take_public_trades(self) -> list[PublicTrade]:
        """Trades that wait for public streams, oldest first; they are handed out once."""
        waiting, self.trade_outbox = self.trade_outbox, []
        return waiting
