"""The journal on real files: what survives, who may open it, what it keeps."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openoutcry.actors.order_tracker import journal as journal_module
from openoutcry.actors.order_tracker.changes import Changes
from openoutcry.actors.order_tracker.journal import Journal, JournalCorrupt, JournalInUse, JournalTooNew
from openoutcry.actors.order_tracker.journal_schema import MIGRATIONS, migrate
from openoutcry.actors.order_tracker.ledger import OrderLedger
from openoutcry.actors.order_tracker.order_record import OrderRecord
from openoutcry.messages.orders import (
    FillUpdate,
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderFailed,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderState,
    OrderType,
    OrderUpdate,
    TimeInForce,
    TradeSide,
)

PAIR = "BTC-USDT"


class Writer:
    """A ledger and its journal; each call is one commit."""

    def __init__(self, path: Path, **options: int) -> None:
        self.journal = Journal(path, **options)  # type: ignore[arg-type]  # retention only
        self.ledger = OrderLedger(
            next_event_number=self.journal.last_event_number + 1, delay_s=lambda _: 1.0, not_found_grace_ms=7000
        )

    def commit(self) -> None:
        self.journal.commit(self.ledger.take())

    def place(self) -> OrderRecord:
        number = self.journal.last_order_id + 1
        record = OrderRecord(
            order_id=number,
            client_order_id=f"c{number}",
            trading_pair=PAIR,
            side=TradeSide.SELL,
            order_type=OrderType.MARKET if number % 2 else OrderType.LIMIT,
            time_in_force=TimeInForce.IOC,
            price=None if number % 2 else Decimal("25000.10"),
            amount=Decimal("0.010"),
            self_trade_prevention="EXPIRE_TAKER",
            created_ms=1767225600000 + number,
        )
        self.ledger.add(record)
        self.commit()
        return record

    def update(self, record: OrderRecord, state: OrderState, executed: str = "0") -> None:
        update = OrderUpdate(
            trading_pair=PAIR,
            client_order_id=record.client_order_id,
            exchange_order_id=f"x{record.order_id}",
            state=state,
            executed_amount_base=Decimal(executed),
            executed_amount_quote=Decimal(executed) * 25000,
            updated_ms=1767225600500,
            reason="it was so",
        )
        self.ledger.placement_answered(record)
        self.ledger.apply_update(update, 1.0)
        self.commit()

    def fill(self, record: OrderRecord, trade_id: str, amount: str = "0.004") -> None:
        fill = FillUpdate(
            trading_pair=PAIR,
            client_order_id=record.client_order_id,
            exchange_order_id=f"x{record.order_id}",
            trade_id=trade_id,
            price=Decimal("25000.10"),
            amount=Decimal(amount),
            quote_amount=Decimal("100.0004"),
            fee_asset="BNB",
            fee_amount=Decimal("0.000123"),
            is_maker=False,
            traded_ms=1767225600400,
        )
        self.ledger.apply_fill(fill, 1.0)
        self.commit()


def facts(record: OrderRecord) -> dict[str, object]:
    """All that outlives a restart."""
    of_this_run = {
        name
        for name in OrderRecord.__slots__
        if name.startswith("ask_") or name in ("is_requesting", "is_new", "is_dirty", "is_reconciling", "last_word_s")
    }
    return {
        name: getattr(record, name) for name in OrderRecord.__slots__ if name not in of_this_run | {"cancel_attempts"}
    }


def test_what_was_committed_is_there_again(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.sqlite")
    resting, failed, filled, unknown, wanted = (writer.place() for _ in range(5))
    writer.update(resting, OrderState.OPEN)
    writer.fill(resting, "1")
    writer.ledger.placement_refused(failed, "no", 5)
    writer.fill(filled, "2", "0.010")
    writer.update(filled, OrderState.FILLED, "0.010")
    writer.ledger.placement_unknown(unknown, "time-out", 77, 5, 1.0)
    writer.ledger.want_cancel(wanted)
    writer.commit()
    events = writer.journal.events_after(0, 100)
    writer.journal.close()

    journal = Journal(tmp_path / "a.sqlite")
    records = journal.load(1000)
    assert [facts(record) for record in records] == [
        facts(record) for record in (resting, failed, filled, unknown, wanted)
    ]
    assert journal.events_after(0, 100) == events
    assert [type(event) for event in events] == [
        OrderCreated,
        OrderFilled,
        OrderFailed,
        OrderCreated,
        OrderFilled,
        OrderCompleted,
        OrderOutcomeUnknown,
    ]
    assert journal.events_after(5, 1) == events[5:6]
    (fill,) = journal.fills_of(resting)
    assert (fill.trade_id, fill.amount, fill.fee_amount) == ("1", Decimal("0.004"), Decimal("0.000123"))
    assert (journal.last_event_number, journal.last_order_id) == (7, 5)
    journal.close()


def test_a_creation_told_by_its_event_alone_is_there_again_and_its_row_follows(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    writer = Writer(path)
    record = writer.place()
    writer.update(record, OrderState.OPEN)
    changed = writer.place()
    writer.update(changed, OrderState.OPEN)
    writer.ledger.want_cancel(changed)  # not committed: nothing of it may get in with the row that is owed
    assert _words_in(path) == [None, None]
    writer.journal.write_owed()
    assert _words_in(path) == ["OPEN", None]
    writer.journal.close()
    for _ in range(2):
        journal = Journal(path)
        loaded = journal.load(10)
        assert [one.word for one in loaded] == [OrderState.OPEN] * 2
        assert [one.exchange_order_id for one in loaded] == [f"x{record.order_id}", f"x{changed.order_id}"]
        assert [one.updated_ms for one in loaded] == [1767225600500] * 2
        assert all(one.is_created and one.cancel == 0 for one in loaded)
        assert _words_in(path) == ["OPEN", "OPEN"]
        journal.close()


def test_no_row_lags_behind_more_events_than_are_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_MOST_OWED", 5)
    path = tmp_path / "journal.sqlite"
    writer = Writer(path)
    records = [writer.place() for _ in range(12)]
    for record in records:
        writer.update(record, OrderState.OPEN)
    for number in range(3):
        writer.fill(records[-1], f"t{number}", "0.001")
    writer.journal.close()
    journal = Journal(path)
    assert [one.word is not None for one in journal.load(10)] == [True] * 12
    journal.close()


def _words_in(path: Path) -> list[str | None]:
    connection = sqlite3.connect(path)
    words = [word for (word,) in connection.execute("SELECT json_extract(facts, '$.word') FROM orders ORDER BY 1")]
    connection.close()
    return sorted(words, key=lambda word: word is None)


def test_what_was_not_committed_is_gone_whole(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.sqlite")
    record = writer.place()
    writer.journal._connection.execute("BEGIN IMMEDIATE")
    writer.journal._connection.execute("DELETE FROM orders")
    writer.journal.close()
    journal = Journal(tmp_path / "a.sqlite")
    assert [one.client_order_id for one in journal.load(10)] == [record.client_order_id]
    journal.close()


def test_a_batch_that_fails_leaves_nothing_of_it(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.sqlite")
    record = writer.place()
    changes = Changes()
    event = OrderCancelled(
        number=1,
        time_ms=1,
        trading_pair=PAIR,
        client_order_id="c1",
        exchange_order_id=None,
        executed_amount_base=Decimal(0),
        reason="",
    )
    changes.records = [record]
    changes.events = [event, event]
    record.reason = "changed"
    with pytest.raises(sqlite3.IntegrityError):
        writer.journal.commit(changes)
    assert writer.journal.events_after(0, 10) == ()
    assert [one.reason for one in writer.journal.load(10)] == [""]
    assert writer.journal.last_event_number == 0
    writer.journal.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1))
def test_a_torn_log_leaves_a_whole_beginning(tmp_path: Path, share: float) -> None:
    """Cut the write-ahead log anywhere: what is left is the state after some commit, and goes on from there."""
    path = tmp_path / "live" / "a.sqlite"
    shutil.rmtree(path.parent, ignore_errors=True)
    writer = Writer(path)
    writer.journal.checkpoint()
    for number in range(6):
        record = writer.place()
        writer.fill(record, f"t{number}", "0.010")
        writer.update(record, OrderState.FILLED, "0.010")
    torn = tmp_path / "torn" / "a.sqlite"
    shutil.rmtree(torn.parent, ignore_errors=True)
    torn.parent.mkdir()
    shutil.copy(path, torn)
    log = path.with_name("a.sqlite-wal").read_bytes()
    torn.with_name("a.sqlite-wal").write_bytes(log[: int(len(log) * share)])
    writer.journal.close()

    journal = Journal(torn)
    records = journal.load(100)
    events = journal.events_after(0, 100)
    numbers = [event.number for event in events]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [record.order_id for record in records] == list(range(1, len(records) + 1))
    assert all(record.is_finished for record in records[:-1])
    for record in records:
        kinds = [type(event) for event in events if event.client_order_id == record.client_order_id]
        if record.is_finished:
            assert kinds == [OrderCreated, OrderFilled, OrderCompleted]
        elif record.filled_base:
            assert kinds == [OrderCreated, OrderFilled]
        else:
            assert kinds == []
        assert len(journal.fills_of(record)) == bool(record.filled_base)
    assert journal.last_event_number == len(numbers)
    journal.close()


def test_commits_survive_a_kill(tmp_path: Path) -> None:
    """A process that is killed in the middle of its work has lost nothing that it said it had committed."""
    program = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_journal import Writer
        from openoutcry.messages.orders import OrderState
        writer = Writer(Path(sys.argv[1]))
        while True:
            record = writer.place()
            print(record.order_id, flush=True)
            writer.update(record, OrderState.CANCELED)
        """
    )
    path = tmp_path / "a.sqlite"
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(50):
        line = process.stdout.readline()
    with pytest.raises(JournalInUse, match=str(process.pid)):
        Journal(path)
    os.kill(process.pid, signal.SIGKILL)
    told = int((process.stdout.read().split() or [line])[-1])
    process.wait()
    process.stdout.close()
    journal = Journal(path)
    assert journal.last_order_id >= told
    assert len(journal.load(100_000)) == journal.last_order_id
    numbers = [event.number for event in journal.events_after(0, 100_000)]
    assert numbers == list(range(1, journal.last_event_number + 1))
    journal.close()


def test_a_journal_has_one_owner_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    journal = Journal(path)
    with pytest.raises(JournalInUse, match=rf"a\.sqlite is in use by process {os.getpid()}"):
        Journal(path)
    journal.close()
    journal.close()
    Journal(path).close()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(JournalCorrupt, match=r"a\.sqlite"):
        Journal(path)
    path.unlink()
    Journal(path).close()


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    Journal(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(JournalTooNew, match=str(len(MIGRATIONS) + 1)):
        Journal(path)


def test_a_migration_is_whole_or_not_at_all(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)
    assert migrate(connection) == 0
    broken = (*MIGRATIONS, ("ALTER TABLE orders ADD COLUMN colour TEXT", "this is no statement"))
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, broken)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    mended = (*MIGRATIONS, ("ALTER TABLE orders ADD COLUMN colour TEXT",))
    assert migrate(connection, mended) == len(MIGRATIONS)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    connection.execute("SELECT colour FROM orders")
    connection.close()


def test_old_orders_and_events_go_and_numbers_go_on(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    writer = Writer(path, events_kept=300, orders_kept=200)
    oldest = writer.place()
    writer.update(oldest, OrderState.OPEN)
    for _ in range(1500):
        record = writer.place()
        writer.fill(record, "1", "0.010")
        writer.update(record, OrderState.FILLED, "0.010")
        writer.journal.compact()
    writer.journal.checkpoint()
    execute = writer.journal._connection.execute
    assert execute("SELECT count(*) FROM orders").fetchone()[0] <= 200 + 256 + 1
    assert execute("SELECT count(*) FROM fills").fetchone()[0] <= 200 + 256 + 1
    assert execute("SELECT count(*) FROM events").fetchone()[0] <= 300 + 256
    writer.journal.close()
    journal = Journal(path)
    assert (journal.last_event_number, journal.last_order_id) == (1 + 1500 * 3, 1501)
    in_flight = [record.client_order_id for record in journal.load(0)]
    assert in_flight == [oldest.client_order_id]
    journal.close()


def test_a_checkpoint_goes_beside_commits(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.sqlite")
    while not writer.journal.wants_checkpoint:
        writer.place()
    writer.journal.checkpoint()
    before = writer.journal.wal_bytes()
    for _ in range(100):
        writer.place()
    # The log begins anew instead of growing.
    assert writer.journal.wal_bytes() <= before
    writer.journal.close()


def test_each_commit_can_wait_for_the_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.sqlite", is_synchronous_full=True)
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    journal.close()
