"""Rules, symbols, budgets and fees; what the dialect promises of itself."""

import json
from decimal import Decimal

import pytest
from binance_samples import BINANCE, DATA, REST_ANSWERS, a_rule, body, rules_of

from openoutcry.exchanges.dialect import MalformedPayload
from openoutcry.exchanges.registry import UnknownExchange, dialect, known_exchanges
from openoutcry.messages.orders import OrderType, TimeInForce

RECORDED = json.loads((DATA / "exchange_info_us.json").read_text())["symbols"][0]
TODAY = {
    **RECORDED,
    "symbol": "BTCUSDT",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "permissions": [],
    "permissionSets": [["MARGIN"], ["SPOT", "TRD_GRP_004"]],
    "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_TAKER"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.0001", "maxQty": "120.5", "stepSize": "0.0001"},
        {
            "filterType": "NOTIONAL",
            "minNotional": "5",
            "applyMinToMarket": True,
            "maxNotional": "9000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "TOMORROW", "limit": {"deep": [1]}},
    ],
}


@pytest.mark.parametrize("domain", ["us", "tr"])
def test_the_shapes_of_2021_and_2023_are_read(domain: str) -> None:
    recorded = json.loads((DATA / f"exchange_info_{domain}.json").read_text())["symbols"]
    rules = rules_of(domain)
    assert len(rules) == len(recorded)
    for rule, symbol in zip(rules, recorded, strict=True):
        filters = {one["filterType"]: one for one in symbol["filters"]}
        assert rule.symbol == symbol["symbol"]
        assert rule.trading_pair == f"{symbol['baseAsset']}-{symbol['quoteAsset']}"
        assert rule.status == symbol["status"]
        assert rule.is_trading == (symbol["status"] == "TRADING")
        assert rule.min_price_increment == Decimal(filters["PRICE_FILTER"]["tickSize"])
        assert rule.min_base_amount_increment == Decimal(filters["LOT_SIZE"]["stepSize"])
        assert rule.min_notional_size == Decimal(filters["MIN_NOTIONAL"]["minNotional"])
        assert rule.min_notional_applies_to_market
        assert rule.max_notional_size == 0
        assert rule.order_types == set(OrderType)
        assert rule.times_in_force == set(TimeInForce)
    assert {rule.is_trading for rule in rules} == {True, False}


def test_symbol_and_trading_pair_name_each_other() -> None:
    rules = rules_of("tr")
    by_symbol = {rule.symbol: rule.trading_pair for rule in rules}
    by_pair = {rule.trading_pair: rule.symbol for rule in rules}
    assert len(by_symbol) == len(by_pair) == len(rules)
    assert {by_pair[pair]: pair for pair in by_symbol.values()} == by_symbol


def test_the_shape_of_today_is_read() -> None:
    (rule,) = BINANCE.parse_trading_rules(body({"symbols": [TODAY]}))
    assert rule.is_trading
    assert (rule.min_price, rule.max_price) == (Decimal("0.01"), Decimal(1000000))
    assert (rule.min_order_size, rule.max_order_size) == (Decimal("0.00001"), Decimal(9000))
    assert rule.market_min_base_amount_increment == Decimal("0.0001")
    assert (rule.market_min_order_size, rule.market_max_order_size) == (Decimal("0.0001"), Decimal("120.5"))
    assert (rule.min_notional_size, rule.max_notional_size) == (Decimal(5), Decimal(9000000))
    assert rule.min_notional_applies_to_market
    assert rule.self_trade_prevention_modes == {"NONE", "EXPIRE_TAKER"}


@pytest.mark.parametrize(
    ("changes", "is_trading"),
    [
        ({}, True),
        ({"status": "HALT"}, False),
        ({"status": "CANCEL_ONLY"}, False),
        ({"isSpotTradingAllowed": False}, False),
        ({"permissionSets": [["MARGIN"]]}, False),
        ({"permissionSets": [], "permissions": ["SPOT"]}, True),
        ({"permissionSets": [], "permissions": ["LEVERAGED"]}, False),
    ],
)
def test_a_pair_trades_when_status_flag_and_permissions_agree(changes: dict[str, object], is_trading: bool) -> None:
    (rule,) = BINANCE.parse_trading_rules(body({"symbols": [{**TODAY, **changes}]}))
    assert rule.is_trading is is_trading


def test_a_market_order_is_bound_by_the_lot_size_where_it_has_no_filter_of_its_own() -> None:
    filters = [one for one in TODAY["filters"] if one["filterType"] != "MARKET_LOT_SIZE"]
    (rule,) = BINANCE.parse_trading_rules(body({"symbols": [{**TODAY, "filters": filters}]}))
    assert rule.market_min_base_amount_increment == rule.min_base_amount_increment
    assert (rule.market_min_order_size, rule.market_max_order_size) == (rule.min_order_size, rule.max_order_size)


def test_a_symbol_without_filters_has_no_limits() -> None:
    (rule,) = BINANCE.parse_trading_rules(body(REST_ANSWERS["exchange_info_response"]))
    assert rule.trading_pair == "ETH-BTC"
    assert rule.min_price_increment == rule.min_order_size == rule.max_notional_size == 0


@pytest.mark.parametrize("number", ["NaN", "-1", "1e99", "Infinity", "x", "", None, True])
def test_a_filter_that_is_no_number_is_refused(number: object) -> None:
    broken = {**TODAY, "filters": [{"filterType": "PRICE_FILTER", "tickSize": number}]}
    with pytest.raises(MalformedPayload):
        BINANCE.parse_trading_rules(body({"symbols": [broken]}))


def test_budgets_are_read_under_the_names_that_requests_are_charged_to() -> None:
    limits = BINANCE.parse_rate_limits((DATA / "exchange_info_tr.json").read_bytes())
    assert {(one.name, one.limit, one.interval_s) for one in limits} == {
        ("REQUEST_WEIGHT", 1200, 60.0),
        ("ORDERS_10S", 50, 10.0),
        ("ORDERS_1D", 160000, 86400.0),
        ("RAW_REQUESTS", 6100, 300.0),
    }
    assert {one.name for one in limits} == {one.name for one in BINANCE.default_rate_limits}
    odd = {"rateLimits": [{"rateLimitType": "CONNECTIONS", "interval": "MINUTE", "intervalNum": 5, "limit": 300}]}
    assert BINANCE.parse_rate_limits(body(odd)) == ()
    assert BINANCE.parse_rate_limits(b"{}") == ()


def test_fees_are_all_rates_together() -> None:
    part = {"maker": "0.00000010", "taker": "0.00000020", "buyer": "0.00000030", "seller": "0.00000040"}
    answer = {
        "symbol": "BTCUSDT",
        "standardCommission": part,
        "taxCommission": {**part, "maker": "0.00000112"},
        "discount": {"enabledForAccount": True, "enabledForSymbol": True, "discountAsset": "BNB", "discount": "0.75"},
    }
    fee = BINANCE.parse_fees(a_rule(), body(answer))
    assert fee.trading_pair == "BTC-USDT"
    assert fee.maker == Decimal("0.00000202")
    assert fee.taker == Decimal("0.00000120")


def test_the_servers_time_is_read() -> None:
    assert BINANCE.parse_server_time(body(REST_ANSWERS["server_time_response"])) == 1499827319559


def test_each_domain_has_endpoints_and_the_first_is_the_default() -> None:
    assert next(iter(BINANCE.domains)) == "com"
    assert {"com", "us", "testnet"} <= set(BINANCE.domains)
    for endpoints in BINANCE.domains.values():
        assert endpoints.rest_url.startswith("https://")
        assert endpoints.ws_api_url.startswith("wss://")
        assert not endpoints.rest_url.endswith("/")
        assert BINANCE.market_stream_url(endpoints) == f"{endpoints.ws_url}/ws"
        assert BINANCE.user_stream_url(endpoints) == endpoints.ws_api_url


def test_an_exchange_is_found_by_name_and_an_unknown_name_lists_what_there_is() -> None:
    assert dialect("binance").name == "binance"
    assert known_exchanges()["binance"][0] == "com"
    with pytest.raises(UnknownExchange, match="binance"):
        dialect("mtgox")
