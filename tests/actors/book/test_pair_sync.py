"""The place in the sequence: whatever comes in whatever order, no diff is forwarded across a gap."""

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.actors.book.pair_sync import PairSync, Step
from openoutcry.exchanges.dialect import DiffVerdict, SnapshotSource
from openoutcry.messages.market import BookDiff, BookSnapshot, PairUnsynced

PAIR = "BTC-USDT"


class DocumentedRule:
    """The rule as Binance documents it: u <= book → ignore; U > book + 1 → gap; else apply."""

    snapshot_source = SnapshotSource.REST
    snapshot_depth = 1000

    def snapshot_is_usable(self, snapshot_update_id: int, first_buffered: BookDiff | None) -> bool:
        return first_buffered is None or snapshot_update_id >= first_buffered.first_update_id - 1

    def verdict(self, last_update_id: int, diff: BookDiff, *, first_after_snapshot: bool) -> DiffVerdict:
        if diff.final_update_id <= last_update_id:
            return DiffVerdict.IGNORE
        return DiffVerdict.GAP if diff.first_update_id > last_update_id + 1 else DiffVerdict.APPLY


def diff(first: int, final: int | None = None) -> BookDiff:
    return BookDiff(PAIR, first, first if final is None else final, [], [], 0, 0)


def snapshot(update_id: int) -> BookSnapshot:
    return BookSnapshot(trading_pair=PAIR, update_id=update_id, bids=[], asks=[], received_ns=0)


def synced_at(update_id: int) -> PairSync:
    sync = PairSync(PAIR, DocumentedRule())
    assert sync.on_snapshot(snapshot(update_id)) is not None
    return sync


# An exchange that numbers its updates 1, 2, 3 …; each diff holds some of them in a row. The network loses and repeats.
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("diff"), st.integers(1, 4)),
        st.tuples(st.just("lost diff"), st.integers(1, 4)),
        st.tuples(st.just("repeat"), st.integers(1, 5)),
        st.tuples(st.just("snapshot"), st.integers(0, 6)),
        st.tuples(st.just("resync"), st.just(0)),
        st.tuples(st.just("stream lost"), st.just(0)),
    ),
    max_size=60,
)


@given(happenings, st.integers(1, 8))
def test_what_is_forwarded_is_a_snapshot_and_then_every_update_in_turn(
    happening: list[tuple[str, int]], buffer_limit: int
) -> None:
    sync = PairSync(PAIR, DocumentedRule(), buffer_limit)
    last = 0
    sent: list[BookDiff] = []
    book: int | None = None
    for what, number in happening:
        forwarded: list[BookSnapshot | BookDiff] = []
        was_synced = sync.is_synced
        if what in {"diff", "lost diff"}:
            made = diff(last + 1, last + number)
            last += number
            sent.append(made)
            if what == "lost diff":
                continue
            step = sync.on_diff(made)
            assert step is not Step.RESYNC or was_synced
            if step is Step.FORWARD:
                forwarded = [made]
            elif was_synced:
                # The newest diff is never one that the book holds: either it was forwarded or the hole was seen.
                assert step is Step.RESYNC
                assert sync.reason is PairUnsynced.GAP
        elif what == "repeat" and len(sent) >= number:
            repeated = sent[-number]
            step = sync.on_diff(repeated)
            if step is Step.FORWARD:
                forwarded = [repeated]
        elif what == "snapshot" and not sync.is_synced:
            forwarded = sync.on_snapshot(snapshot(max(0, last - number))) or []
        elif what == "resync":
            sync.restart(PairUnsynced.CROSSED)
        elif what == "stream lost":
            sync.forget(PairUnsynced.DISCONNECTED)
            assert sync.buffered == 0
        for item in forwarded:
            if isinstance(item, BookSnapshot):
                book = item.update_id
            else:
                assert book is not None
                assert item.first_update_id <= book + 1 <= item.final_update_id
                book = item.final_update_id
        assert sync.buffered <= buffer_limit
        if sync.is_synced:
            assert book == sync.last_update_id
            assert sync.buffered == 0
            assert not sync.wants_fetch
        else:
            book = None
            assert sync.wants_fetch


def test_diffs_that_come_before_the_snapshot_follow_it() -> None:
    sync = PairSync(PAIR, DocumentedRule())
    early = [diff(5), diff(6, 8), diff(9)]
    assert [sync.on_diff(one) for one in early] == [Step.NOTHING] * 3
    assert sync.on_snapshot(snapshot(6)) == [snapshot(6), early[1], early[2]]
    assert sync.last_update_id == 9
    assert sync.on_diff(diff(10)) is Step.FORWARD


def test_a_snapshot_older_than_the_stream_is_fetched_again() -> None:
    sync = PairSync(PAIR, DocumentedRule())
    sync.on_diff(diff(10))
    assert sync.on_snapshot(snapshot(5)) is None
    assert sync.attempts == 1
    assert sync.on_snapshot(snapshot(9)) == [snapshot(9), diff(10)]


def test_a_missing_diff_is_noticed_at_the_next_one_and_that_one_is_kept() -> None:
    sync = synced_at(5)
    assert sync.on_diff(diff(7)) is Step.RESYNC
    assert sync.reason is PairUnsynced.GAP
    assert not sync.is_synced
    assert sync.on_snapshot(snapshot(6)) == [snapshot(6), diff(7)]


def test_a_hole_in_what_was_buffered_asks_for_a_snapshot_beyond_it() -> None:
    sync = PairSync(PAIR, DocumentedRule())
    for one in (diff(5), diff(9)):
        sync.on_diff(one)
    assert sync.on_snapshot(snapshot(5)) is None
    assert sync.on_snapshot(snapshot(8)) == [snapshot(8), diff(9)]


def test_what_two_streams_bring_at_once_is_forwarded_once() -> None:
    sync = synced_at(5)
    assert [sync.on_diff(one) for one in (diff(6), diff(6), diff(7), diff(6), diff(7))] == [
        Step.FORWARD,
        Step.NOTHING,
        Step.FORWARD,
        Step.NOTHING,
        Step.NOTHING,
    ]


def test_every_wait_has_its_own_epoch_so_that_a_late_snapshot_can_be_told() -> None:
    sync = synced_at(5)
    epochs = {sync.epoch}
    sync.on_diff(diff(9))
    epochs.add(sync.epoch)
    sync.restart(PairUnsynced.CROSSED)
    epochs.add(sync.epoch)
    sync.forget(PairUnsynced.SILENT)
    epochs.add(sync.epoch)
    assert len(epochs) == 4


def test_losing_step_again_and_again_counts_until_it_has_settled() -> None:
    sync = synced_at(1)
    for update_id in (3, 13, 23):
        sync.on_diff(diff(update_id))
        sync.on_snapshot(snapshot(update_id + 5))
    assert sync.attempts == 3
    sync.settled()
    assert sync.attempts == 0
