import json
from pathlib import Path

import pytest

from openoutcry.cli.check import check
from openoutcry.cli.connector_check import Finding, Verdict
from openoutcry.cli.main import main
from openoutcry.config.schema import ConnectorSettings, SecretSource, Settings
from openoutcry.emulator.binance.auth import Permission, hmac_key
from openoutcry.emulator.server import TEST_ACCOUNT, TEST_API_KEY, TEST_API_SECRET, EmulatorServer

READ_ONLY_KEY = "readOnly" + TEST_API_KEY[8:]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", TEST_API_KEY)
    monkeypatch.setenv("TEST_SECRET", TEST_API_SECRET)


def settings_for(server: EmulatorServer, **changes: object) -> Settings:
    connector = {
        "exchange": "binance",
        "trading_pairs": ("BTC-USDT",),
        "api_key": SecretSource(env="TEST_KEY"),
        "api_secret": SecretSource(env="TEST_SECRET"),
        "rest_url": server.urls.rest_url,
        "ws_url": server.urls.ws_url,
        "ws_api_url": server.urls.ws_api_url,
        **changes,
    }
    return Settings(connectors={"binance": ConnectorSettings.model_validate(connector)})


def only(findings: list[Finding], check_name: str) -> Finding:
    (found,) = [finding for finding in findings if finding.check == check_name]
    return found


def failed(findings: list[Finding]) -> set[str]:
    assert all(finding.mend for finding in findings if finding.verdict is not Verdict.OK)
    return {finding.check for finding in findings if finding.verdict is Verdict.FAIL}


async def test_a_config_that_works_has_no_failure() -> None:
    async with EmulatorServer() as server:
        findings = await check(settings_for(server))
        assert failed(findings) == set()
        assert only(findings, "clock").verdict is Verdict.OK
        assert only(findings, "trading").detail == "the key may trade"
        assert only(findings, "user stream").detail == f"{server.urls.ws_api_url} accepts the key"
        assert not server.exchange.open_orders(TEST_ACCOUNT)


async def test_without_keys_only_the_market_data_is_tried() -> None:
    async with EmulatorServer() as server:
        findings = await check(settings_for(server, api_key=None, api_secret=None))
    assert failed(findings) == set()
    assert [finding.check for finding in findings] == ["secrets", "rest", "clock", "trading pairs", "market stream"]


async def test_a_wrong_key_is_refused_by_both_doors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "wrong" + TEST_API_KEY[5:])
    async with EmulatorServer() as server:
        findings = await check(settings_for(server))
    assert failed(findings) == {"keys", "user stream"}
    assert "check that key and secret are of this domain" in only(findings, "keys").mend


async def test_a_wrong_secret_is_told_from_a_wrong_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", "wrong" + TEST_API_SECRET[5:])
    async with EmulatorServer() as server:
        findings = await check(settings_for(server))
    assert failed(findings) == {"keys", "user stream"}
    assert "the secret is not the key's" in only(findings, "keys").mend


async def test_a_key_that_may_not_trade_is_found_out_without_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", READ_ONLY_KEY)
    async with EmulatorServer() as server:
        key = hmac_key(READ_ONLY_KEY, TEST_API_SECRET, TEST_ACCOUNT, frozenset({Permission.READ}))
        server.binance.keys.add(key)
        findings = await check(settings_for(server))
    assert failed(findings) == {"trading"}
    assert only(findings, "trading").mend == "allow spot trading in the key's settings at binance"


async def test_a_secret_that_is_not_there_is_named_and_the_rest_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_SECRET")
    async with EmulatorServer() as server:
        findings = await check(settings_for(server))
    assert failed(findings) == {"secrets"}
    assert "environment variable TEST_SECRET is not set" in only(findings, "secrets").detail
    assert only(findings, "market stream").verdict is Verdict.OK


async def test_a_server_that_is_gone_fails_at_every_door() -> None:
    async with EmulatorServer() as server:
        settings = settings_for(server)
    findings = await check(settings)
    assert failed(findings) == {"rest", "market stream", "user stream"}
    assert all("check the network" in finding.mend for finding in findings if finding.verdict is Verdict.FAIL)


@pytest.mark.parametrize(("skew_ms", "word"), [(90_000, "behind"), (-90_000, "ahead of")])
async def test_a_skewed_clock_is_a_warning_and_the_keys_are_tried_all_the_same(skew_ms: int, word: str) -> None:
    async with EmulatorServer() as server:
        server.clock_skew_ms = skew_ms
        findings = await check(settings_for(server))
    assert failed(findings) == set()
    clock = only(findings, "clock")
    assert clock.verdict is Verdict.WARN
    assert f"ms {word} the exchange's" in clock.detail
    assert only(findings, "trading").verdict is Verdict.OK


async def test_an_unknown_pair_is_named_with_the_nearest_that_exists() -> None:
    async with EmulatorServer() as server:
        findings = await check(settings_for(server, trading_pairs=("BTC-USDT", "ETH-UDST")))
    assert failed(findings) == {"trading pairs"}
    (unknown,) = [finding for finding in findings if finding.verdict is Verdict.FAIL]
    assert (unknown.detail, unknown.mend) == ("ETH-UDST is not listed", "did you mean ETH-USDT?")


async def test_an_endpoint_of_another_kind_is_no_success() -> None:
    async with EmulatorServer() as server:
        findings = await check(settings_for(server, ws_api_url=server.urls.ws_url + "/nowhere"))
    assert failed(findings) == {"user stream"}


async def test_no_finding_shows_a_key_or_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    async with EmulatorServer() as server:
        findings = await check(settings_for(server))
        monkeypatch.setenv("TEST_SECRET", "wrong" + TEST_API_SECRET[5:])
        findings += await check(settings_for(server))
    shown = "".join(map(str, findings))
    assert TEST_API_KEY[:20] not in shown
    assert TEST_API_SECRET[5:25] not in shown


@pytest.fixture
def config_of_a_server_that_is_gone(tmp_path: Path) -> Path:
    config = tmp_path / "openoutcry.toml"
    # Port 9 of loopback: nobody listens there.
    config.write_text(
        '[connectors.b]\nexchange = "binance"\ntrading_pairs = ["BTC-USDT"]\n'
        'rest_url = "http://127.0.0.1:9"\nws_url = "ws://127.0.0.1:9"\nws_api_url = "ws://127.0.0.1:9/ws-api/v3"\n'
    )
    return config


def test_the_command_prints_a_line_a_finding_and_fails(
    config_of_a_server_that_is_gone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "-c", str(config_of_a_server_that_is_gone)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["ok", "FAIL", "FAIL"]
    assert " – check the network, and rest_url if the config names one" in lines[1]


def test_the_same_as_json(config_of_a_server_that_is_gone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", "-c", str(config_of_a_server_that_is_gone)]) == 1
    findings = json.loads(capsys.readouterr().out)
    assert [finding["verdict"] for finding in findings] == ["ok", "FAIL", "FAIL"]
    assert set(findings[0]) == {"connector", "check", "verdict", "detail", "mend"}
