"""Pairs that the exchange does not list, and what was probably meant."""

from openoutcry.actors.exchange.pair_check import describe_unlisted

LISTED = {"BTC-USDT", "ETH-USDT", "ETH-BTC", "SOL-USDC"}


def test_nothing_is_said_of_pairs_that_are_listed() -> None:
    assert describe_unlisted(["BTC-USDT", "ETH-BTC"], LISTED, "binance.com") == ""


def test_a_typing_mistake_gets_the_pairs_that_look_like_it() -> None:
    text = describe_unlisted(["ETH-USTD"], LISTED, "binance.com")
    assert text == "trading pair ETH-USTD is not listed on binance.com; did you mean ETH-USDT?"


def test_lower_case_and_a_pair_the_wrong_way_round_are_recognised() -> None:
    assert "did you mean BTC-USDT?" in describe_unlisted(["btc-usdt"], LISTED, "x")
    assert "did you mean ETH-BTC?" in describe_unlisted(["BTC-ETH"], LISTED, "x")


def test_a_pair_that_looks_like_nothing_gets_no_guess() -> None:
    assert describe_unlisted(["QQQQ-ZZZZ"], LISTED, "x") == "trading pair QQQQ-ZZZZ is not listed on x"


def test_all_of_them_are_named() -> None:
    text = describe_unlisted(["AAA-BBB", "CCC-DDD"], LISTED, "x")
    assert "AAA-BBB" in text
    assert "CCC-DDD" in text
