"""How the components' statuses fold into one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.actors import roles
from openoutcry.actors.exchange.readiness import MUST_BE_READY, MUST_WORK, describe, is_ready, mode_in_force
from openoutcry.actors.exchange.tree import spot_tree
from openoutcry.config.schema import ConnectorSettings, SecretSource
from openoutcry.messages.lifecycle import ComponentStatus, Readiness, TradingMode

WITH_ACCOUNT = ConnectorSettings(
    exchange="binance", api_key=SecretSource(env="KEY"), api_secret=SecretSource(env="SECRET")
)
ROLES = tuple(spot_tree(WITH_ACCOUNT).by_role)


def statuses(**readiness: Readiness) -> dict[str, ComponentStatus]:
    return {
        role: ComponentStatus(role=role, readiness=readiness.get(role, Readiness.READY), reason="because")
        for role in ROLES
    }


@given(st.dictionaries(st.sampled_from(ROLES), st.sampled_from(Readiness)))
def test_orders_go_out_only_while_every_component_that_trading_rests_on_is_well(bad: dict[str, Readiness]) -> None:
    mode, reason = mode_in_force(TradingMode.LIVE, "", statuses(**bad))
    unwell = {role for role, state in bad.items() if role in MUST_BE_READY and state is not Readiness.READY} | {
        role for role, state in bad.items() if role in MUST_WORK and state in (Readiness.STARTING, Readiness.FAILED)
    }
    assert mode is (TradingMode.CANCEL_ONLY if unwell else TradingMode.LIVE)
    assert all(role in reason for role in unwell)
    assert is_ready(statuses(**bad).values()) == all(state is Readiness.READY for state in bad.values())


@pytest.mark.parametrize("mode", [TradingMode.CANCEL_ONLY, TradingMode.HALTED])
def test_a_mode_that_was_asked_for_holds_however_well_all_are(mode: TradingMode) -> None:
    assert mode_in_force(mode, "lunch", statuses()) == (mode, "lunch")


def test_every_role_that_trading_rests_on_exists_in_the_tree() -> None:
    assert set(ROLES) >= MUST_BE_READY | MUST_WORK


def test_without_a_key_the_tree_has_market_data_alone() -> None:
    market_data = {roles.REST, roles.CLOCK, roles.RULES, roles.BOOK, roles.BOOK_SOURCE}
    assert set(spot_tree(ConnectorSettings(exchange="binance")).by_role) == market_data


def test_a_status_reads_as_one_line_that_says_what_why_since_when_and_what_next() -> None:
    status = ComponentStatus(
        role="user_stream",
        readiness=Readiness.DEGRADED,
        reason="silent 41 s > 30 s",
        since_ms=1_000,
        next_step="restart 3 of 5 in 8 s",
    )
    assert describe(status, 42_000) == "user_stream DEGRADED for 41 s: silent 41 s > 30 s; restart 3 of 5 in 8 s"
