"""The offset of the exchange's clock, from questions and answers of any delay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.actors.exchange.clock_offset import ClockOffsetEstimator

delays = st.floats(0.0, 2_000.0)


def test_the_quickest_measurement_counts() -> None:
    estimator = ClockOffsetEstimator()
    estimator.add(round_trip_ms=400.0, received_wall_ms=1_400.0, server_ms=1_000)
    best = estimator.add(round_trip_ms=10.0, received_wall_ms=2_010.0, server_ms=2_055)
    assert best.offset_ms == pytest.approx(50.5)
    assert best.uncertainty_ms == 5.0
    assert estimator.add(round_trip_ms=800.0, received_wall_ms=3_800.0, server_ms=3_500) == best


def test_after_a_jump_of_a_clock_only_what_was_measured_since_counts() -> None:
    estimator = ClockOffsetEstimator()
    estimator.add(round_trip_ms=2.0, received_wall_ms=1_000.0, server_ms=1_000)
    best = estimator.add(round_trip_ms=300.0, received_wall_ms=9_000.0, server_ms=4_000)
    assert best.offset_ms == pytest.approx(-4_849.5)


def test_what_is_forgotten_does_not_count() -> None:
    estimator = ClockOffsetEstimator()
    estimator.add(round_trip_ms=2.0, received_wall_ms=1_000.0, server_ms=1_000)
    estimator.forget()
    assert estimator.best is None


@given(st.floats(-1e7, 1e7), st.lists(st.tuples(delays, delays), min_size=1, max_size=12))
def test_the_true_offset_is_never_farther_away_than_the_uncertainty_says(
    offset_ms: float, trips: list[tuple[float, float]]
) -> None:
    estimator = ClockOffsetEstimator()
    asked_ms = 1.7e12
    for out_ms, back_ms in trips:
        server_ms = int(asked_ms + out_ms + offset_ms)
        received_ms = asked_ms + out_ms + back_ms
        best = estimator.add(round_trip_ms=out_ms + back_ms, received_wall_ms=received_ms, server_ms=server_ms)
        assert abs(best.offset_ms - offset_ms) <= best.uncertainty_ms + 1.0
        asked_ms = received_ms + 5.0
