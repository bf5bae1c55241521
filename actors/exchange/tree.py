"""The tree of a spot connector on one screen: roles in start order, what each rests on, who is restarted with whom."""

from openoutcry.actors import roles
from openoutcry.actors.book.book_source import BookSource
from openoutcry.actors.book.book_tracker import BookTracker
from openoutcry.actors.exchange.auth_signer import AuthSigner
from openoutcry.actors.exchange.balance_poller import BalancePoller
from openoutcry.actors.exchange.clock_sync import ClockSync
from openoutcry.actors.exchange.rest_gateway import RestGateway
from openoutcry.actors.exchange.trading_rules_poller import TradingRulesPoller
from openoutcry.actors.order_tracker.order_status_poller import OrderStatusPoller
from openoutcry.actors.order_tracker.order_tracker import OrderTracker
from openoutcry.actors.supervision import ChildSpec, Strategy, Supervision
from openoutcry.actors.user_stream.user_stream import UserStream
from openoutcry.config.schema import ConnectorSettings

_SIGNER = ChildSpec(role=roles.SIGNER, actor=AuthSigner)

_MARKET_DATA = (
    ChildSpec(role=roles.REST, actor=RestGateway),
    ChildSpec(role=roles.CLOCK, actor=ClockSync, depends_on=(roles.REST,)),
    ChildSpec(role=roles.RULES, actor=TradingRulesPoller, depends_on=(roles.REST,)),
    ChildSpec(role=roles.BOOK, actor=BookTracker),
    ChildSpec(role=roles.BOOK_SOURCE, actor=BookSource, depends_on=(roles.REST, roles.RULES, roles.BOOK)),
)

_ACCOUNT = (
    ChildSpec(role=roles.BALANCES, actor=BalancePoller, depends_on=(roles.REST, roles.RULES)),
    ChildSpec(role=roles.ORDER_POLLER, actor=OrderStatusPoller, depends_on=(roles.REST, roles.RULES)),
    ChildSpec(role=roles.ORDERS, actor=OrderTracker, depends_on=(roles.REST, roles.RULES, roles.ORDER_POLLER)),
    ChildSpec(
        role=roles.USER_STREAM, actor=UserStream, depends_on=(roles.SIGNER, roles.RULES, roles.ORDERS, roles.BALANCES)
    ),
)


def spot_tree(settings: ConnectorSettings) -> Supervision:
    """The children of a spot connector's facade; without an API key those of market data alone.

    One for one: every component recovers what it needs by itself when a neighbour comes back at a new address.
    """
    children = _MARKET_DATA if settings.is_market_data_only else (_SIGNER, *_MARKET_DATA, *_ACCOUNT)
    return Supervision(
        children=children,
        strategy=Strategy.ONE_FOR_ONE,
        max_restarts=settings.max_restarts,
        period_s=settings.restart_period_s,
    )
