import json
from pathlib import Path

import pytest

from openoutcry.cli import simulate as command
from openoutcry.cli.errors import CommandFailed
from openoutcry.cli.main import main
from openoutcry.simulation.faults import ALL_FAULTS, FaultKind
from openoutcry.simulation.run import SimulationResult, run_failed

HALF_A_MINUTE = "0.01"


def test_one_seed_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seed", "2", "--hours", HALF_A_MINUTE, "--faults", "http-418"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["runs", "1"]
    assert lines[-1].split() == ["with", "violations", "0"]
    assert any(line.startswith("fault http-418") for line in lines)


def test_seeds_run_beside_each_other_and_give_json_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seeds", "2", "--hours", HALF_A_MINUTE, "--json"]) == 0
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert [one["seed"] for one in answer["runs"]] == [1, 2]
    assert answer["totals"]["runs"] == 2
    assert answer["totals"]["runs_with_violations"] == 0
    assert "2 of 2 seeds, 0 with violations" in printed.err


def test_faults_are_named_one_by_one_or_altogether() -> None:
    assert command.fault_kinds("all") == ALL_FAULTS
    assert command.fault_kinds("none") == ()
    assert command.fault_kinds("http-429, clock-jump") == (FaultKind.HTTP_429, FaultKind.CLOCK_JUMP)
    with pytest.raises(CommandFailed, match="no such fault: http-430; there are: actor-killed, "):
        command.fault_kinds("http-430")


def test_a_seed_that_fails_says_how_to_repeat_it_and_leaves_its_trace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(seed: int, *_: object) -> SimulationResult:
        return run_failed(seed, RuntimeError("it broke"))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "_one", broken)
    assert main(["simulate", "--seed", "7", "--hours", HALF_A_MINUTE, "--faults", "none"]) == 1
    told = capsys.readouterr().err
    assert "the run broke off: RuntimeError: it broke" in told
    assert "again: openoutcry simulate --seed 7 --hours 0.01 --faults none" in told
    assert "process      starts" in (tmp_path / "openoutcry-seed-7.trace").read_text()
