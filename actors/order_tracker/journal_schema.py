"""The journal's tables, and the way from each version of them to the next."""

import sqlite3

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE orders (
            order_id INTEGER PRIMARY KEY,
            is_finished INTEGER NOT NULL,
            placed TEXT NOT NULL,
            facts TEXT NOT NULL
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
