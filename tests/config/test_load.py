from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.config.errors import ConfigError
from openoutcry.config.load import load_settings, settings_from_mapping
from openoutcry.config.schema import ConnectorSettings, Settings

KNOWN = {"binance": ("com", "us", "testnet", "demo"), "kraken": ("com",)}
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "openoutcry.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, KNOWN)


def mistakes_of(**keys: Any) -> list[str]:
    connector = {"exchange": "binance", **keys}
    with pytest.raises(ConfigError) as caught:
        settings_from_mapping({"connectors": {"binance": connector}}, Path("/somewhere"), KNOWN)
    return list(caught.value.mistakes)


def test_a_whole_config_is_read_and_its_paths_are_relative_to_its_folder(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
        state_directory = "state"
        [connectors.binance]
        exchange = "binance"
        domain = "us"
        trading_pairs = ["BTC-USDT", "ETH-USDT"]
        api_key = { env = "BINANCE_KEY" }
        api_secret = { file = "keys/secret" }
        rest_url = "http://127.0.0.1:8080"
        ws_api_url = "ws://127.0.0.1:8080/ws-api/v3"
        journal = "orders.sqlite"
        restart_period_s = 10
        reserve_for_cancels = 0.2
        """,
    )
    binance = settings.connectors["binance"]
    assert settings.state_directory == tmp_path / "state"
    assert binance.journal == tmp_path / "orders.sqlite"
    assert binance.api_secret is not None
    assert binance.api_secret.file == tmp_path / "keys" / "secret"
    assert binance.trading_pairs == ("BTC-USDT", "ETH-USDT")
    assert binance.restart_period_s == 10.0
    assert binance.reserve_for_cancels == Decimal("0.2")
    assert not binance.is_market_data_only


def test_an_absolute_path_stays_and_a_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    text = f'state_directory = "{tmp_path}/elsewhere"\n[connectors.b]\nexchange = "binance"\njournal = "~/j.sqlite"'
    settings = load(tmp_path, text)
    assert settings.state_directory == tmp_path / "elsewhere"
    assert settings.connectors["b"].journal == tmp_path / "home" / "j.sqlite"


def test_a_missing_file_says_how_to_make_one_that_works(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path / "openoutcry.toml", KNOWN)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path}/openoutcry.toml: there is no such file")
    assert load(tmp_path, text[text.index("[connectors") :]).connectors["binance"].is_market_data_only


def test_a_folder_or_other_bytes_in_the_file_s_place_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this is a folder"):
        load_settings(tmp_path, KNOWN)
    (tmp_path / "latin.toml").write_bytes(b"exchange = '\xff'")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_settings(tmp_path / "latin.toml", KNOWN)


def test_a_syntax_error_has_its_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"openoutcry.toml: this is not TOML: .*line 2, column \d+"):
        load(tmp_path, "[connectors.binance]\nexchange = binance\n")


def test_all_mistakes_are_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            tmp_path,
            f"""
            stat_directory = "x"
            [connectors.binance]
            exchange = "binance"
            domain = "con"
            trading_pairs = ["BTCUSDT", "ETH-USDT", "ETH-USDT"]
            api_key = "{SECRET}"
            rest_url = "api.binance.com"
            max_restarts = "five"
            [connectors.other]
            exchange = "binanse"
            """,
        )
    assert list(caught.value.mistakes) == [
        'connectors.binance.domain: "con" is not one of com, us, testnet, demo (did you mean "com"?)',
        (
            'connectors.binance.trading_pairs[0]: "BTCUSDT" is not a trading pair: write BASE-QUOTE, e.g. BTC-USDT '
            '(did you mean "BTC-USDT"?)'
        ),
        (
            'connectors.binance.trading_pairs[2]: "ETH-USDT" stands in connectors.binance.trading_pairs[1] already; '
            "name it once"
        ),
        (
            'connectors.binance.api_key: a secret never stands in the config itself: write { env = "NAME" }, '
            '{ file = "PATH" } or { keyring = "SERVICE/NAME" }'
        ),
        "connectors.binance.api_secret: is missing, and api_key is given: name both, or neither for market data only",
        (
            "connectors.binance.rest_url: is not a REST endpoint: write https://HOST or http://HOST, "
            "without a slash at the end"
        ),
        'connectors.binance.max_restarts: "five" is not a whole number, 0 or above',
        'connectors.other.exchange: "binanse" is not one of binance, kraken (did you mean "binance"?)',
        'stat_directory: there is no such key (did you mean "state_directory"?)',
    ]
    assert str(caught.value).startswith("9 mistakes in ")


@pytest.mark.parametrize(
    ("keys", "mistake"),
    [
        ({"domian": "com"}, 'domian: there is no such key (did you mean "domain"?)'),
        ({"domain": 5}, "domain: 5 is not the name of one of the exchange's domains"),
        ({"trading_pairs": "BTC-USDT"}, 'trading_pairs: "BTC-USDT" is not a list; write ["BTC-USDT"]'),
        ({"trading_pairs": [7]}, "trading_pairs[0]: 7 is not a trading pair: write BASE-QUOTE, e.g. BTC-USDT"),
        (
            {"trading_pairs": ["btc/eur"]},
            (
                'trading_pairs[0]: "btc/eur" is not a trading pair: write BASE-QUOTE, e.g. BTC-USDT '
                '(did you mean "BTC-EUR"?)'
            ),
        ),
        ({"trading_pairs": 5}, 'trading_pairs: 5 is not a list, e.g. ["BTC-USDT", "ETH-USDT"]'),
        (
            {"ws_url": "https://stream.binance.com"},
            "ws_url: is not a WebSocket endpoint: write wss://HOST or ws://HOST, without a slash at the end",
        ),
        ({"cancel_orders_on_stop": "yes"}, "cancel_orders_on_stop: is not true or false"),
        ({"max_restarts": True}, "max_restarts: true is not a whole number, 0 or above"),
        ({"max_restarts": -1}, "max_restarts: -1 is not a whole number, 0 or above"),
        ({"order_poll_interval_s": 0}, "order_poll_interval_s: 0 is not a number of seconds above 0"),
        (
            {"restart_period_s": float("inf")},
            "restart_period_s: Infinity is not a number of seconds above 0",
        ),
        (
            {"reserve_for_cancels": 1.5},
            "reserve_for_cancels: 1.5 is not a number from 0 to below 1: a share of each rate limit",
        ),
        ({"journal": 5}, "journal: is not the path of a file"),
    ],
)
def test_one_mistake_gives_one_sentence_with_the_key_and_what_is_allowed(keys: dict[str, Any], mistake: str) -> None:
    assert mistakes_of(**keys) == [f"connectors.binance.{mistake}"]


@pytest.mark.parametrize(
    ("source", "mistake"),
    [
        ({"env": "A", "file": "b"}, "api_key: names env and file; name exactly one of env, file, keyring"),
        ({}, "api_key: says nothing: write {"),
        ({"enw": "A"}, 'api_key.enw: there is no such key (did you mean "env"?)'),
        ({"env": "not a name"}, "api_key.env: is not the name of an environment variable"),
        ({"env": SECRET}, "api_key.env: is not the name of an environment variable but looks like the secret itself"),
        ({"keyring": "openoutcry"}, "api_key.keyring: is not a keyring entry: write SERVICE/NAME"),
        ([SECRET], "api_key: write { env ="),
    ],
)
def test_a_secret_source_names_one_place(source: object, mistake: str) -> None:
    (found,) = mistakes_of(api_key=source, api_secret={"env": "B"})
    assert found.startswith(f"connectors.binance.{mistake}")


@pytest.mark.parametrize("place", ["api_key", "api_secret", "secret", "rest_url", "journal", "api_kee"])
@pytest.mark.parametrize(
    "shape", [SECRET, [SECRET], {"env": SECRET}, {"value": SECRET}, {"keyring": SECRET}, {"env": [SECRET]}]
)
def test_a_literal_secret_is_never_shown_wherever_it_stands(place: str, shape: object) -> None:
    try:
        mistakes = mistakes_of(**{place: shape})
    except pytest.fail.Exception:
        assert place == "journal"  # any text is a path
        return
    assert SECRET[:10] not in "\n".join(mistakes)


def test_a_secret_in_a_broken_file_is_in_neither_the_error_nor_its_causes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f'[connectors.b]\napi_key = "{SECRET}" oops')
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("mapping", "mistake"),
    [
        ({}, "connectors: name at least one connector: begin with [connectors.NAME]"),
        ({"connectors": {}}, "connectors: name at least one connector: begin with [connectors.NAME]"),
        ({"connectors": 5}, "connectors: must be a table: write [connectors.NAME]"),
        ({"connectors": {"binance": 5}}, "connectors.binance: must be a table: write [connectors.binance]"),
        ({"connectors": {"b": {}}}, "connectors.b.exchange: is missing; name one of binance, kraken"),
        (
            {"connectors": {"my bot": {"exchange": "binance"}}},
            'connectors."my bot": the name "my bot" is not made of letters, digits, - and _ alone',
        ),
    ],
)
def test_the_table_of_connectors_is_checked(mapping: dict[str, Any], mistake: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_from_mapping(mapping, Path("/somewhere"), KNOWN)
    assert caught.value.mistakes == (mistake,)


def test_two_connectors_do_not_share_a_journal() -> None:
    one = {"exchange": "binance", "journal": "orders.sqlite"}
    with pytest.raises(ConfigError, match=r"connectors.b.journal: is the journal of connectors.a already"):
        settings_from_mapping({"connectors": {"a": one, "b": one}}, Path("/somewhere"), KNOWN)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.integers(10**310, 10**320) | st.floats() | st.text(max_size=20)
    | st.sampled_from(["binance", "com", "BTC-USDT", "BTCUSDT", "https://a.b", "\0", "~nobody/x", "\ud800"])
    | st.dates() | st.times() | st.datetimes()
)  # fmt: skip
KEYS = st.text(max_size=8) | st.sampled_from(["connectors", "[key]", "env", "file", *ConnectorSettings.model_fields])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=8
)
CONNECTORS = st.dictionaries(
    KEYS, st.dictionaries(st.sampled_from(list(ConnectorSettings.model_fields)), VALUES), max_size=2
)
MAPPINGS = st.dictionaries(KEYS, VALUES) | st.fixed_dictionaries({"connectors": VALUES | CONNECTORS})


@given(MAPPINGS)
def test_no_mapping_raises_anything_but_a_config_error(mapping: dict[str, Any]) -> None:
    try:
        settings = settings_from_mapping(mapping, Path("/somewhere"), KNOWN)
    except ConfigError as error:
        mistakes = error.mistakes
    else:
        assert settings.state_directory.is_absolute()
        return
    assert mistakes
    assert not [text for text in mistakes if not text.strip() or "pydantic" in text or "Input should" in text]


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
def test_no_file_raises_anything_but_a_config_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "arbitrary.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        load_settings(path, KNOWN)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "1" * 5000, "a." * 5000 + "b = 1"])
def test_monstrous_toml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path, text)
