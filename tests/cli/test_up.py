"""`openoutcry up` as a person runs it: against an `openoutcry emulate` of its own."""

import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from processes import Running, run, running, served

from openoutcry import OrderType, Runtime
from openoutcry.emulator.server import TEST_API_KEY, TEST_API_SECRET

EXCERPT = Path(__file__).parent.parent / "data/recordings/binance_us.0"


@pytest.fixture
def exchange() -> Iterator[tuple[Running, dict[str, str]]]:
    with running("emulate", "binance", "--json") as emulator:
        yield emulator, served(emulator)


@pytest.fixture
def config(exchange: tuple[Running, dict[str, str]], tmp_path: Path) -> Path:
    return write_config(tmp_path, exchange[1])


def write_config(
    folder: Path,
    urls: dict[str, str],
    more: str = "",
    *,
    with_keys: bool = True,
    trading_pairs: tuple[str, ...] = ("BTC-USDT", "ETH-USDT"),
) -> Path:
    for name in ("api_key", "api_secret"):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(urls[name], encoding="utf-8")
    keys = 'api_key = { file = "api_key" }\napi_secret = { file = "api_secret" }\n' if with_keys else ""
    addresses = "".join(f'{name} = "{urls[name]}"\n' for name in ("rest_url", "ws_url", "ws_api_url"))
    path = folder / "openoutcry.toml"
    path.write_text(
        '[connectors.binance]\nexchange = "binance"\ntrading_pairs = [PAIRS]\n'.replace(
            "PAIRS", ", ".join(f'"{pair}"' for pair in trading_pairs)
        )
        + keys
        + addresses
        + more,
        encoding="utf-8",
    )
    return path


async def leave_an_order_open(config: Path) -> str:
    """What a bot leaves behind that embeds the same config and stops without cancelling."""
    async with Runtime.from_file(config) as runtime:
        binance = runtime.connector("binance")
        await binance.wait_ready()
        bid, _ = binance.best_bid_ask("BTC-USDT")
        price = binance.quantize_order_price("BTC-USDT", Decimal(str(bid)) * Decimal("0.9"))
        order_id = await binance.buy("BTC-USDT", Decimal("0.01"), OrderType.LIMIT, price)
        async for event in binance.events():
            if event.client_order_id == order_id:
                break
    return order_id


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_becomes_ready_and_a_signal_ends_it_flat(config: Path, number: signal.Signals) -> None:
    with running("up", "-c", config) as up:
        up.wait_for("binance: ready, LIVE")
        status, errors = up.stop(number)
    assert (status, errors) == (0, "")
    assert up.lines[-1].endswith("binance: flat: no order of ours is open")
    shown = "\n".join(up.lines)
    for role in ("signer", "rest", "clock", "rules", "book", "book_source", "balances", "orders", "user_stream"):
        assert f"binance: {role} READY" in shown
    assert TEST_API_SECRET[:16] not in shown
    assert TEST_API_KEY[:16] not in shown


def test_without_keys_it_follows_the_market_and_is_flat(
    exchange: tuple[Running, dict[str, str]], tmp_path: Path
) -> None:
    config = write_config(tmp_path, exchange[1], with_keys=False)
    with running("up", "-c", config) as up:
        up.wait_for("binance: ready, HALTED (no api_key in the config: market data only)")
        status, errors = up.stop(signal.SIGTERM)
    assert (status, errors) == (0, "")
    assert up.lines[-1].endswith("binance: flat: market data only")
    assert not (tmp_path / "openoutcry-state").exists()


async def test_an_order_that_is_open_is_named_at_the_end(config: Path) -> None:
    order_id = await leave_an_order_open(config)
    with running("up", "-c", config) as up:
        up.wait_for("binance: ready, LIVE")
        status, errors = up.stop(signal.SIGTERM)
    assert (status, errors) == (3, "")
    assert "binance: NOT FLAT" in up.lines[-1]
    assert order_id in up.lines[-1]


async def test_open_orders_are_cancelled_at_the_end_if_the_config_says_so(
    exchange: tuple[Running, dict[str, str]], tmp_path: Path
) -> None:
    config = write_config(tmp_path, exchange[1])
    await leave_an_order_open(config)
    write_config(tmp_path, exchange[1], "cancel_orders_on_stop = true\n")
    with running("up", "-c", config) as up:
        up.wait_for("binance: ready, LIVE")
        status, errors = up.stop(signal.SIGTERM)
    assert (status, errors) == (0, "")
    assert up.lines[-1].endswith("binance: flat: no order of ours is open")


async def test_when_the_exchange_is_gone_an_order_that_was_open_is_not_called_gone(
    exchange: tuple[Running, dict[str, str]], config: Path
) -> None:
    emulator, _ = exchange
    order_id = await leave_an_order_open(config)
    emulator.stop(signal.SIGTERM)
    with running("up", "-c", config) as up:
        up.wait_for("rest DEGRADED")
        status, errors = up.stop(signal.SIGTERM)
    assert status in (3, 4)
    assert "Traceback" not in errors
    assert "binance: NOT FLAT" in up.lines[-1] or "binance: UNKNOWN" in up.lines[-1]
    assert order_id in up.lines[-1] or status == 4


def test_a_server_that_goes_and_comes_back_is_told_line_by_line(
    exchange: tuple[Running, dict[str, str]], config: Path
) -> None:
    emulator, urls = exchange
    with running("up", "-c", config) as up:
        up.wait_for("binance: ready, LIVE")
        emulator.stop(signal.SIGTERM)
        up.wait_for("user_stream DEGRADED")
        up.wait_for("binance: not ready, CANCEL_ONLY (user_stream is DEGRADED")
        with running("emulate", "binance", "--json", "--port", urls["rest_url"].rpartition(":")[2]) as again:
            served(again)
            up.wait_for("binance: ready, LIVE")
            status, errors = up.stop(signal.SIGTERM)
    assert status == 0
    assert "Traceback" not in errors


def test_a_journal_that_another_process_has_gives_one_clear_line(config: Path) -> None:
    with running("up", "-c", config) as first:
        first.wait_for("binance: ready, LIVE")
        second = run("up", "-c", config)
        assert second.returncode == 2
        assert second.stdout == ""
        assert len(second.stderr.splitlines()) == 1
        assert f"binance.journal.sqlite is in use by process {first.process.pid}" in second.stderr
        status, _ = first.stop(signal.SIGTERM)
    assert status == 0


def test_a_journal_that_is_none_gives_one_clear_line(config: Path) -> None:
    folder = config.parent / "openoutcry-state"
    folder.mkdir()
    (folder / "binance.journal.sqlite").write_bytes(b"this is no database" * 100)
    answer = run("up", "-c", config)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert len(answer.stderr.splitlines()) == 1
    assert "binance.journal.sqlite can't be read" in answer.stderr


def test_all_mistakes_of_the_config_are_listed_at_once(tmp_path: Path) -> None:
    config = tmp_path / "openoutcry.toml"
    config.write_text(
        '[connectors.one]\nexchange = "binanse"\ntrading_pairs = ["BTCUSDT"]\napi_key = "k"\n'
        '[connectors.two]\nexchange = "binance"\ndomain = "moon"\nmax_restarts = "many"\n',
        encoding="utf-8",
    )
    answer = run("up", "-c", config)
    assert (answer.returncode, answer.stdout) == (2, "")
    for path in ("one.exchange", "one.trading_pairs", "one.api_key", "two.domain", "two.max_restarts"):
        assert f"connectors.{path}" in answer.stderr
    assert "Traceback" not in answer.stderr


async def test_a_recording_is_served_to_a_connector(tmp_path: Path) -> None:
    with running("emulate", "binance", "--json", "--replay", EXCERPT) as emulator:
        config = write_config(tmp_path, served(emulator), with_keys=False, trading_pairs=("COMP-USDT", "ZRX-USDT"))
        async with Runtime.from_file(config) as runtime:
            binance = runtime.connector("binance")
            await binance.wait_ready()
            bid, ask = binance.best_bid_ask("COMP-USDT")
            assert bid < ask
        status, errors = emulator.stop(signal.SIGTERM)
    assert (status, errors) == (0, "")
