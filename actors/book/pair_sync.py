"""Keeping one pair in step with the exchange: snapshot first, then every diff in its turn, never one across a gap."""

from collections import deque
from enum import Enum

from openoutcry.exchanges.dialect import DiffVerdict, SnapshotSource, SyncRule
from openoutcry.messages.market import BookDiff, BookSnapshot, PairUnsynced

BUFFERED_DIFFS = 2_000
"""Diffs kept while the snapshot is on its way: over three minutes at ten a second."""

_APPLY = DiffVerdict.APPLY
_GAP = DiffVerdict.GAP


class Step(Enum):
    """What the owner is to do after a diff."""

    FORWARD = "forward it"
    NOTHING = "nothing: it is buffered, or the book holds it already"
    RESYNC = "the pair lost step: tell the book, and fetch a snapshot"


_FORWARD = Step.FORWARD
_NOTHING = Step.NOTHING


class PairSync:
    """One pair's place in the sequence. Pure: it is told what came, and says what to do.

    `WAITING` (for a snapshot, diffs are buffered) → `is_synced` (diffs are forwarded) → a gap → `WAITING` again.
    Each time it waits anew its `epoch` rises: the answer to a fetch of an earlier epoch is dropped.
    """

    __slots__ = (
        "_buffer",
        "_buffer_limit",
        "_is_first",
        "_rule",
        "_verdict",
        "attempts",
        "epoch",
        "is_synced",
        "last_update_id",
        "reason",
        "trading_pair",
    )

    def __init__(self, trading_pair: str, rule: SyncRule, buffer_limit: int = BUFFERED_DIFFS) -> None:
        self.trading_pair = trading_pair
        self.is_synced = False
        self.reason = PairUnsynced.STARTING
        """Why it is not synced; of no meaning while it is."""
        self.epoch = 0
        self.attempts = 0
        """Times that it lost step or a snapshot was of no use, since it was last `settled`."""
        self.last_update_id = 0
        self._rule = rule
        self._verdict = rule.verdict
        self._is_first = False
        self._buffer: deque[BookDiff] = deque()
        self._buffer_limit = buffer_limit

    @property
    def wants_fetch(self) -> bool:
        """Whether a snapshot must be fetched; False also where the exchange sends it on the stream."""
        return not self.is_synced and self._rule.snapshot_source is SnapshotSource.REST

    @property
    def comes_on_stream(self) -> bool:
        """Whether the exchange sends the snapshot on the stream, after the subscription."""
        return self._rule.snapshot_source is SnapshotSource.STREAM

    @property
    def buffered(self) -> int:
        """Diffs that wait for the snapshot."""
        return len(self._buffer)

    def on_diff(self, diff: BookDiff) -> Step:
        """Take the next diff from the stream. The hot path."""
        if self.is_synced:
            verdict = self._verdict(self.last_update_id, diff, first_after_snapshot=self._is_first)
            if verdict is _APPLY:
                self.last_update_id = diff.final_update_id
                self._is_first = False
                return _FORWARD
            if verdict is _GAP:
                self.restart(PairUnsynced.GAP)
                self._buffer.append(diff)
                return Step.RESYNC
            return _NOTHING
        buffer = self._buffer
        if len(buffer) >= self._buffer_limit:
            # The oldest goes: a snapshot that is older than what is left is refused as too old and fetched again.
            buffer.popleft()
        buffer.append(diff)
        return _NOTHING

    def on_snapshot(self, snapshot: BookSnapshot) -> list[BookSnapshot | BookDiff] | None:
        """Take a snapshot: it and the buffered diffs that continue it, to forward; None if it must be fetched again."""
        buffer = self._buffer
        if not self._rule.snapshot_is_usable(snapshot.update_id, buffer[0] if buffer else None):
            self.attempts += 1
            return None
        forward: list[BookSnapshot | BookDiff] = [snapshot]
        last = snapshot.update_id
        is_first = True
        for diff in buffer:
            verdict = self._verdict(last, diff, first_after_snapshot=is_first)
            if verdict is _GAP:
                # What follows the hole may still be continued by a newer snapshot, what lies before it may not.
                while buffer and buffer[0] is not diff:
                    buffer.popleft()
                self.attempts += 1
                return None
            if verdict is _APPLY:
                forward.append(diff)
                last = diff.final_update_id
                is_first = False
        buffer.clear()
        self.last_update_id = last
        self._is_first = is_first
        self.is_synced = True
        return forward

    def restart(self, reason: PairUnsynced) -> None:
        """Wait for a new snapshot: what was known is void."""
        if self.is_synced:
            self.attempts += 1
            self._buffer.clear()
        self.is_synced = False
        self.reason = reason
        self.epoch += 1

    def failed(self) -> None:
        """A fetch brought no snapshot: it must be fetched again."""
        self.attempts += 1

    def settled(self) -> None:
        """It has kept step for a while: the next loss is a first one."""
        self.attempts = 0

    def forget(self, reason: PairUnsynced) -> None:
        """The stream itself is gone: what was buffered came from it, and will not be continued."""
        self.restart(reason)
        self._buffer.clear()
