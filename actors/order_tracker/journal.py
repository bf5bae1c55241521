"""The order journal: SQLite, written before anything is sent or published.

What survives: with `synchronous=NORMAL` (the default) every commit survives the death of the process, `kill -9`
included, because it is with the operating system then. A power cut or a crash of the operating system may take the
commits since the last checkpoint, but always whole ones, from the newest backwards. With `is_synchronous_full` each
commit waits for the disk and survives that too; it costs milliseconds a commit on most disks.

After such a loss the exchange may have orders that the journal does not: they show up as foreign orders.

That an order was created is journaled by its event alone, which tells all that is new; the order's row follows within
a second, or when something else happens to it. Loading puts the two together.

One journal has one owner: a lock file beside it keeps others out. Reading it with another tool meanwhile is fine.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from openoutcry.actors.order_tracker.changes import Changes
from openoutcry.actors.order_tracker.file_lock import FileLock, FileLocked
from openoutcry.actors.order_tracker.journal_rows import (
    create_by_event,
    facts_text,
    fill_values,
    is_told_by_creation,
    placed_text,
    record_of,
)
from openoutcry.actors.order_tracker.journal_schema import MIGRATIONS, migrate
from openoutcry.actors.order_tracker.order_record import OrderRecord
from openoutcry.messages.orders import (
    FillUpdate,
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderEvent,
    OrderFailed,
    OrderFilled,
    OrderOutcomeUnknown,
)

_EVENT_KINDS: dict[str, type[OrderEvent]] = {
    kind.__name__: kind
    for kind in (OrderCreated, OrderFilled, OrderCompleted, OrderCancelled, OrderFailed, OrderOutcomeUnknown)
}
_ENDS = (OrderCompleted, OrderCancelled, OrderFailed)
_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in _EVENT_KINDS.items()}
_encode = msgspec.json.Encoder().encode

_INSERT_ORDER = "INSERT INTO orders VALUES (?, ?, ?, ?)"
_UPDATE_ORDER = "UPDATE orders SET is_finished = ?, facts = ? WHERE order_id = ?"
_INSERT_FILL = "INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_EVENT = "INSERT INTO events VALUES (?, ?, ?)"

_MOST_OWED = 10_000
"""Events that may come after the first whose order's row is not written yet: so many are looked through on loading."""
_COMPACT_STEP = 256
"""Rows that one step of compaction removes at most, of orders and of events."""
_PASSIVE_BYTES = 4 << 20
_TRUNCATE_BYTES = 64 << 20


class JournalError(Exception):
    """The journal can't be used. Says which file and what to do.

    JournalInUse      another process, or another tracker of this one, has it: stop that one, or use another file
    JournalCorrupt    the file is damaged: restore it, or move it away and reconcile by hand
    JournalTooNew     a newer openoutcry wrote it: use that one
    JournalUnusable   the disk is full, or the file or its folder can't be read or written: mend that
    """


class JournalInUse(JournalError):
    """The journal has an owner already."""


class JournalCorrupt(JournalError):
    """The file is not a journal, or is damaged."""


class JournalTooNew(JournalError):
    """The file has a newer schema than this program knows."""


class JournalUnusable(JournalError):
    """The disk or the file system does not let us."""


class Journal:
    """Orders, fills and events on disk, and the only one who writes them."""

    def __init__(
        self,
        path: Path,
        *,
        is_synchronous_full: bool = False,
        events_kept: int = 200_000,
        orders_kept: int = 20_000,
    ) -> None:
        """Open the journal, or make a new one. Older events and ended orders beyond those kept are removed in time.

        Raises:
            JournalError: in use, damaged, too new or not to be written; with the file's name and what to do.
        """
        self.path = path
        self.last_event_number = 0
        """The newest event's number; 0 before the first."""
        self.last_order_id = 0
        """The newest order's number; 0 before the first."""
        self._ended = 0
        self._first_event_number = 1
        self._owed: dict[int, OrderRecord] = {}
        """Orders whose row lags behind their OrderCreated event."""
        self._first_owed_event = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path.with_name(path.name + ".lock"))
        except OSError as error:
            raise self.unusable(error) from error
        except FileLocked as error:
            raise JournalInUse(
                f"the order journal {path} is in use by {error.holder}: one journal has one owner"
            ) from None
        try:
            self._connection = self._connect(is_synchronous_full)
            self._read_bounds()
        except sqlite3.OperationalError as error:
            self._lock.release()
            raise self.unusable(error) from error
        except sqlite3.DatabaseError as error:
            self._lock.release()
            raise self._corrupt(error) from error
        except BaseException:
            self._lock.release()
            raise
        self.commits = 0
        self._events_kept = max(events_kept, 1)
        self._orders_kept = max(orders_kept, 1)

    # Reading

    def meta(self, key: str) -> str | None:
        """A value that was stored with `set_meta`."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def set_meta(self, key: str, value: str) -> None:
        """Store a value; committed at once."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def load(self, finished: int) -> list[OrderRecord]:
        """Every order in flight, and the newest of those that have ended; oldest first, with their trade ids.

        Raises:
            JournalCorrupt: a row is not what was written.
        """
        execute = self._connection.execute
        rows = execute(
            "SELECT order_id, is_finished, placed, facts FROM orders WHERE NOT is_finished OR order_id IN "
            "(SELECT order_id FROM orders WHERE is_finished ORDER BY order_id DESC LIMIT ?) ORDER BY order_id",
            (finished,),
        ).fetchall()
        try:
            records = [record_of(*row) for row in rows]
            created = {event.client_order_id: event for event in self._newest_created()}
        except msgspec.DecodeError as error:
            raise self._corrupt(error) from error
        for record in records:
            event = created.get(record.client_order_id)
            if event is not None and record.word is None:
                create_by_event(record, event)
                self._owed[record.order_id] = record
        self.write_owed()
        for record in records:
            if record.filled_base:
                ids = execute("SELECT trade_id FROM fills WHERE order_id = ?", (record.order_id,))
                record.trade_ids = {trade_id for (trade_id,) in ids}
        return records

    def events_after(self, number: int, limit: int) -> tuple[OrderEvent, ...]:
        """Journaled events with a greater number, in order."""
        rows = self._connection.execute(
            "SELECT kind, body FROM events WHERE number > ? ORDER BY number LIMIT ?", (number, limit)
        )
        return tuple(_DECODERS[kind].decode(body) for kind, body in rows)

    def fills_of(self, record: OrderRecord) -> tuple[FillUpdate, ...]:
        """Every fill of an order that was counted, by trade id."""
        rows = self._connection.execute(
            "SELECT trade_id, price, amount, quote_amount, fee_asset, fee_amount, is_maker, traded_ms FROM fills "
            "WHERE order_id = ? ORDER BY trade_id",
            (record.order_id,),
        )
        return tuple(
            FillUpdate(
                trading_pair=record.trading_pair,
                client_order_id=record.client_order_id,
                exchange_order_id=record.exchange_order_id or "",
                trade_id=trade_id,
                price=Decimal(price),
                amount=Decimal(amount),
                quote_amount=Decimal(quote_amount),
                fee_asset=fee_asset,
                fee_amount=Decimal(fee_amount),
                is_maker=bool(is_maker),
                traded_ms=traded_ms,
            )
            for trade_id, price, amount, quote_amount, fee_asset, fee_amount, is_maker, traded_ms in rows
        )

    # Writing

    def commit(self, changes: Changes) -> None:
        """Write a batch, whole or not at all.

        Raises:
            sqlite3.Error: nothing of it was written: the disk is full, or fails.
        """
        events = changes.events
        first_owed_event = self._first_owed_event if self._owed else events[0].number if events else 0
        has_room = not events or events[-1].number - first_owed_event < _MOST_OWED
        created = {event.client_order_id for event in events if has_room and type(event) is OrderCreated}
        new: list[OrderRecord] = []
        owed: dict[int, OrderRecord] = {}
        changed: dict[int, OrderRecord] = {} if has_room else dict(self._owed)
        for record in changes.records:
            if record.is_new:
                new.append(record)
            elif record.client_order_id in created and is_told_by_creation(record):
                owed[record.order_id] = record
            else:
                changed[record.order_id] = record
        self._write(
            (_INSERT_ORDER, [(one.order_id, one.is_finished, placed_text(one), facts_text(one)) for one in new]),
            (_UPDATE_ORDER, [_updated(record) for record in changed.values()]),
            (_INSERT_FILL, [fill_values(record, fill) for record, fill in changes.fills]),
            (_INSERT_EVENT, [(one.number, type(one).__name__, _encode(one).decode()) for one in events]),
        )
        for record in new:
            record.is_new = False
            self.last_order_id = max(self.last_order_id, record.order_id)
        for event in events:
            self.last_event_number = event.number
            if type(event) in _ENDS:
                self._ended += 1
        self.commits += 1
        if self._owed:
            for order_id in changed:
                self._owed.pop(order_id, None)
        if owed:
            self._first_owed_event = first_owed_event
            self._owed.update(owed)

    def write_owed(self) -> None:
        """Bring the rows of orders up to what their events have told.

        Raises:
            sqlite3.Error: nothing of it was written.
        """
        # What has changed since the last commit is written with the next one: not before its events.
        rows = [record for record in self._owed.values() if not record.is_dirty]
        if rows:
            self._write((_UPDATE_ORDER, [_updated(record) for record in rows]))
            for record in rows:
                del self._owed[record.order_id]

    # Housekeeping

    def compact(self) -> bool:
        """Remove some of what is beyond the retention; whether there is more to remove."""
        is_more = False
        execute = self._connection.execute
        first_kept = self.last_event_number - self._events_kept + 1
        if first_kept - self._first_event_number >= _COMPACT_STEP:
            self._first_event_number += _COMPACT_STEP
            if self._owed and self._first_owed_event < self._first_event_number:
                self.write_owed()
            execute("DELETE FROM events WHERE number < ?", (self._first_event_number,))
            is_more = first_kept - self._first_event_number >= _COMPACT_STEP
        if self._ended - self._orders_kept >= _COMPACT_STEP:
            self._remove_ended_orders()
            is_more = is_more or self._ended - self._orders_kept >= _COMPACT_STEP
        return is_more

    def wal_bytes(self) -> int:
        """The size of the write-ahead log."""
        try:
            return self.path.with_name(self.path.name + "-wal").stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def wants_checkpoint(self) -> bool:
        """Whether the write-ahead log has grown so far that it should go into the database."""
        return self.wal_bytes() >= _PASSIVE_BYTES

    def checkpoint(self) -> None:
        """Move the write-ahead log into the database: on a connection of its own, for a thread of its own.

        Commits go on meanwhile. Only a log that constant writing has let grow out of bounds makes them wait, for what
        was written during the first pass.
        """
        connection = sqlite3.connect(self.path, timeout=5.0, isolation_level=None)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if self.wal_bytes() >= _TRUNCATE_BYTES:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            connection.close()

    def close(self) -> None:
        """Close the file and let others have it. Idempotent."""
        self._connection.close()
        self._lock.release()

    def unusable(self, error: Exception) -> JournalUnusable:
        """The error for the person who can mend what the file system or SQLite complains of."""
        return JournalUnusable(
            f"the order journal {self.path} can't be written ({error}): see that its disk has room, and that the file "
            "and its folder may be written by this user"
        )

    # The inside

    def _corrupt(self, error: Exception) -> JournalCorrupt:
        return JournalCorrupt(
            f"the order journal {self.path} can't be read ({error}): restore it from a copy, or move it away and "
            "compare the exchange's open orders by hand"
        )

    def _connect(self, is_synchronous_full: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=5.0, isolation_level=None, cached_statements=32)
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute(f"PRAGMA synchronous = {'FULL' if is_synchronous_full else 'NORMAL'}")
            # Checkpoints are done beside the actor, not by whichever commit fills the log.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            version = migrate(connection)
        except BaseException:
            connection.close()
            raise
        if version > len(MIGRATIONS):
            connection.close()
            raise JournalTooNew(
                f"the order journal {self.path} has version {version}, and this openoutcry knows up to "
                f"{len(MIGRATIONS)}: use the newer one that wrote it"
            )
        return connection

    def _read_bounds(self) -> None:
        execute = self._connection.execute
        first, last = execute("SELECT min(number), max(number) FROM events").fetchone()
        self._first_event_number, self.last_event_number = first or 1, last or 0
        (newest,) = execute("SELECT max(order_id) FROM orders").fetchone()
        self.last_order_id = newest or 0
        (self._ended,) = execute("SELECT count(*) FROM orders WHERE is_finished").fetchone()

    def _remove_ended_orders(self) -> None:
        connection = self._connection
        ids: Sequence[tuple[int]] = connection.execute(
            "SELECT order_id FROM orders WHERE is_finished ORDER BY order_id LIMIT ?", (_COMPACT_STEP,)
        ).fetchall()
        # The newest order stays: its number tells which were used.
        ids = [row for row in ids if row[0] != self.last_order_id]
        connection.execute("BEGIN")
        connection.executemany("DELETE FROM fills WHERE order_id = ?", ids)
        connection.executemany("DELETE FROM orders WHERE order_id = ?", ids)
        connection.execute("COMMIT")
        self._ended -= len(ids)

    def _newest_created(self) -> Iterator[OrderCreated]:
        rows = self._connection.execute(
            "SELECT body FROM events WHERE number > ? AND kind = ? ORDER BY number",
            (self.last_event_number - _MOST_OWED, OrderCreated.__name__),
        )
        decode = _DECODERS[OrderCreated.__name__].decode
        return (decode(body) for (body,) in rows)  # type: ignore[misc]  # its kind is that of the decoder

    def _write(self, *batches: tuple[str, Sequence[tuple[Any, ...]]]) -> None:
        """Execute statements with their rows, all or none. One row alone needs neither a loop nor a transaction."""
        execute = self._connection.execute
        batches = tuple(batch for batch in batches if batch[1])
        if len(batches) == 1 and len(batches[0][1]) == 1:
            execute(batches[0][0], batches[0][1][0])
            return
        execute("BEGIN")
        try:
            for statement, rows in batches:
                if len(rows) == 1:
                    execute(statement, rows[0])
                else:
                    self._connection.executemany(statement, rows)
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise


def _updated(record: OrderRecord) -> tuple[Any, ...]:
    return record.is_finished, facts_text(record), record.order_id
