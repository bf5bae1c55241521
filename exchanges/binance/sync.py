"""How a book is kept in step."""

from openoutcry.exchanges.dialect import DiffVerdict, SnapshotSource
from openoutcry.messages.market import BookDiff

SNAPSHOT_DEPTH = 1_000
"""Levels a side. It costs weight 50; the 5,000 of the documents' example cost 250, which for 50 pairs is twice the
budget of a minute. Levels beyond it become known as they change."""


class BinanceSyncRule:
    """Binance's own recipe ("How to manage a local order book correctly", web-socket-streams.md).

    A diff covers the update ids U to u; a snapshot is the book at lastUpdateId.

    1. Open the stream of diffs and buffer them; note the U of the first.
    2. Get a snapshot by REST.
    3. If its lastUpdateId is lower than that first U, get another.
    4. Drop the buffered diffs with u ≤ lastUpdateId. For the first one kept, U ≤ lastUpdateId + 1 ≤ u.
    5. The book is now at lastUpdateId. For each diff from then on: if its u is lower than the book's id, ignore it; if
       its U is greater than the book's id + 1, updates were missed: start again; else apply it, and the book is at u.

    In step 5 a diff whose u *is* the book's id is ignored too: all that it says is in the book, so that applying it
    would change nothing.
    """

    snapshot_source: SnapshotSource = SnapshotSource.REST
    snapshot_depth: int = SNAPSHOT_DEPTH

    def snapshot_is_usable(self, snapshot_update_id: int, first_buffered: BookDiff | None) -> bool:
        """Step 3, but for one case: a snapshot that ends right before the first diff is continued by it without a gap.

        On a quiet pair that is the usual one, and another snapshot would cost its weight for nothing.
        """
        return first_buffered is None or snapshot_update_id >= first_buffered.first_update_id - 1

    def verdict(self, last_update_id: int, diff: BookDiff, *, first_after_snapshot: bool) -> DiffVerdict:
        """Steps 4 and 5, which ask the same of the first diff as of every other."""
        if diff.first_update_id > last_update_id + 1:
            return DiffVerdict.GAP
        if diff.final_update_id <= last_update_id:
            return DiffVerdict.IGNORE
        return DiffVerdict.APPLY
