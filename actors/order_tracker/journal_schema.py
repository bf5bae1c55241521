"""The journal's tables, and the way from each version of them to the next."""

import sqlite3

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE orders (
            order_id INTEGER PRIMARY KEY,
            client_order_id TEXT NOT NULL,
            trading_pair TEXT NOT NULL,
            side TEXT NOT NULL,
            order_type TEXT NOT NULL,
            time_in_force TEXT NOT NULL,
            price TEXT,
            amount TEXT NOT NULL,
            self_trade_prevention TEXT,
            created_ms INTEGER NOT NULL,
            exchange_order_id TEXT,
            word TEXT,
            is_unknown INTEGER NOT NULL,
            cancel INTEGER NOT NULL,
            stamp_ms INTEGER NOT NULL,
            reported_base TEXT NOT NULL,
            reported_quote TEXT NOT NULL,
            filled_base TEXT NOT NULL,
            filled_quote TEXT NOT NULL,
            fees TEXT NOT NULL,
            updated_ms INTEGER NOT NULL,
            reason TEXT NOT NULL,
            is_created INTEGER NOT NULL,
            is_finished INTEGER NOT NULL
        )""",
        """CREATE TABLE fills (
            order_id INTEGER NOT NULL,
            trade_id TEXT NOT NULL,
            price TEXT NOT NULL,
            amount TEXT NOT NULL,
            quote_amount TEXT NOT NULL,
            fee_asset TEXT NOT NULL,
            fee_amount TEXT NOT NULL,
            is_maker INTEGER NOT NULL,
            traded_ms INTEGER NOT NULL,
            PRIMARY KEY (order_id, trade_id)
        ) WITHOUT ROWID""",
        "CREATE TABLE events (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL)",
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    ),
)
"""The statements of each step; a database of version n has seen the first n. Never edit a step that was released."""


def migrate(connection: sqlite3.Connection, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS) -> int:
    """Bring a database to the newest version, each step in a transaction of its own; the version it had before.

    A database of a newer version is left alone: the caller compares.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number, statements in enumerate(migrations[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    return int(version)
