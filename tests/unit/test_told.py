"""Pages, ledgers and cards state the limits of a number beside it; bad requests give a plain error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from restorebench.benchmark.analysis.board import FEWEST_PAUSES, Board, board_of
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.analysis.paired_tests import Sample
from restorebench.benchmark.contracts import Value
from restorebench.benchmark.data.corpora.published import _speaker
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.registry import card
from restorebench.benchmark.run.execute import execute
from restorebench.benchmark.run.scoring import metric
from restorebench.benchmark.store.records import planned_records
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.suite import load_suite
from restorebench.benchmark.types import Quantity, Recipe
from restorebench.reports.html.page import _board, _facts
from restorebench.reports.papers.ledger import _row
from restorebench.reports.papers.published import papers
from restorebench.reports.papers.verdicts import verdicts
from restorebench.reports.tables.board import unlimited_threads, unreachable_rooms
from restorebench.reports.tables.compare import report as compared
from restorebench.reports.tables.explain import NOMINAL
from restorebench.reports.tables.leaderboard import columns
from restorebench.systems.training.config import load_config
from tests.conftest import Cli


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(load_suite("demo"), ["unprocessed", "spectral-gate", "target"], ["lsd", "stoi", "ghost"], limit=4)


@pytest.fixture(scope="module")
def records(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    root = execute(plan, tmp_path_factory.mktemp("told") / "s", workers=1).root
    return planned_records(plan, Store(root))


@pytest.fixture(scope="module")
def demo_board(plan: Plan, records: pd.DataFrame) -> Board:
    return board_of(plan, records)


def test_the_report_says_when_clips_or_speakers_are_few(demo_board: Board) -> None:
    """The board and `compare` say the same."""
    notes = " ".join(_board(demo_board, "voicefixer", columns(demo_board))["notes"])
    assert "intervals and tests hold for clips like these, not for other speakers" in notes
    assert "are too few for the intervals of strongly skewed scores" in notes


def test_a_share_of_pauses_needs_several_clips_with_a_pause(demo_board: Board) -> None:
    ghost_cells = [cell for cell in demo_board.cells if cell.value_name == "ghost" and cell.n]
    assert ghost_cells
    for cell in ghost_cells:
        assert cell.n < FEWEST_PAUSES
        assert cell.value is None
        assert "needs 5" in cell.why
    [column] = [c for c in columns(demo_board) if c.value.name == "ghost"]
    assert not any(entry.rank for entry in column.entries.values())


def test_compare_reports_a_delay(demo_board: Board) -> None:
    late = replace(demo_board, delays={"spectral-gate": 3.0, "target": 9.0})
    tables = compared(late, "spectral-gate", "unprocessed")
    delay_notes = [note for table in tables for note in table.notes if " ms late " in note]
    assert delay_notes
    assert all(note.startswith("spectral-gate: 3 ms late") for note in delay_notes)


def test_systems_that_may_use_all_cores_are_named(demo_board: Board) -> None:
    cards = dict(demo_board.plan.system_cards)
    cards["spectral-gate"] = cards["spectral-gate"].model_copy(update={"environment": ("numpy==1.26",)})
    timed_plan = replace(
        demo_board.plan, system_cards=cards, metric_cards=demo_board.cards | {"rtf": metric("rtf").card}
    )
    timed_board = replace(demo_board, plan=timed_plan, cards=demo_board.cards | {"rtf": metric("rtf").card})
    assert [note.partition(" runs in")[0] for note in unlimited_threads(timed_board)] == ["spectral-gate"]
    assert not unlimited_threads(demo_board), "without a timing metric there must be no note"


def test_a_drawn_factor_is_called_nominal() -> None:
    factor = next(iter(NOMINAL))
    facts = {factor: Quantity(5.0, "x", 1), "speaker": "slt"}
    assert _facts(facts)[0].startswith(f"nominal {factor} ")
    assert _facts(facts)[1] == "speaker slt"


def test_a_room_that_cannot_reach_its_t60_is_reported(plan: Plan) -> None:
    room = {"kind": "room", "size_m": [10, 10, 4], "source_m": [1, 1, 1], "microphone_m": [2, 2, 1]}
    rirs = [room | {"t60_s": t60} for t60 in (0.05, 0.6)]
    trials = [
        replace(trial, recipe=Recipe("x", ({"name": "reverb", "rir": rir},)))
        for trial, rir in zip(plan.trials[:2], rirs, strict=True)
    ]
    [note] = unreachable_rooms(replace(plan, trials=tuple(trials)))
    assert note.startswith("1 of 2 simulated rooms are too large for their nominal T60 (the shortest: 0.05 s)")
    assert not unreachable_rooms(replace(plan, trials=tuple(trials[1:])))


def test_intervals_stay_within_the_range_of_the_value() -> None:
    """LSD is never below 0, a cosine never above 1."""
    scores = np.array([[0.001, 0.002] * 5 + [0.4, 0.002], [0.999, 0.998] * 5 + [0.5, 0.999]])
    for row, (unit, edge) in enumerate((("log10", 0.0), ("cos", 1.0))):
        value = Value(name="v", label="V", unit=unit, direction="higher")
        sample = Sample(scores[row : row + 1], np.ones((1, 12)), np.arange(12))
        _, low, high = PairedScores("c", value, ("s",), tuple("abcdefghijkl"), sample, "clip").summary("s")
        assert low is not None
        assert high is not None
        assert low >= (0 if unit == "log10" else -1)
        assert edge in (round(low, 6), round(high, 6))


def test_a_stand_ins_number_keeps_its_own_name_in_the_ledger(demo_board: Board) -> None:
    """Resemblyzer's similarity is never listed under WeSpeaker's name."""
    verdict = next(v for name in papers() for v in verdicts(demo_board, name))
    stand_in = replace(verdict, exact=False, cell=replace(verdict.cell, value_name="spk_sim@resemblyzer", value=0.7234))
    row = _row(papers()[verdict.published.paper], verdict.published, stand_in)
    assert row[6] == "0.7234 (spk_sim@resemblyzer)"
    exact = _row(papers()[verdict.published.paper], verdict.published, replace(stand_in, exact=True))
    assert exact[6] == "0.7234"


def test_only_file_names_of_vctk_give_a_speaker() -> None:
    assert _speaker("GSR/p360_001_mic1") == "p360"
    assert _speaker("DNS2020_no_reverb/clnsp1_snr6") == ""


def test_configs_and_cards_declare_what_the_papers_leave_open() -> None:
    assert load_config("paper/sise-codec").losses["quantise_after"] == 1000, "quantisers that start at once collapse"
    for name, words in (("masksr-s", "embeddings"), ("masksr2-l", "237.4 M"), ("sise", "losses.average")):
        assert words in card("systems", name).deviations  # type: ignore[attr-defined]
    suite = load_suite("masksr2-table1")
    assert any(system.startswith("target-codec") for system in suite.systems)
    assert suite.open_decisions


@pytest.mark.parametrize("name", ["stoi", "pesq"])
@pytest.mark.parametrize("seconds", [0.01, 0.024])
def test_sounds_that_are_too_short_get_a_plain_error(name: str, seconds: float, cli: Cli, tmp_path: Path) -> None:
    import soundfile

    if name == "pesq":
        pytest.importorskip("pesq")
    (tmp_path / "e").mkdir()
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "e" / "a.wav", 0.1 * rng.standard_normal(int(16_000 * seconds)), 16_000)
    done = cli("score", "--estimates", "e", "--references", "e", "--metrics", name, "--out", "x.csv")
    assert done.returncode == 1
    assert "too short" in done.stderr
    assert "AxisError" not in done.stderr
    assert "b'" not in done.stderr


def test_a_metric_that_kills_its_process_loses_only_its_own_value(
    cli: Cli, tmp_path: Path, toy_plugin: dict[str, str]
) -> None:
    import soundfile

    (tmp_path / "e").mkdir()
    for clip, peak in (("loud", 0.9), ("soft", 0.1)):
        soundfile.write(tmp_path / "e" / f"{clip}.wav", peak * np.sin(np.arange(16_000)), 16_000)
    command = ("score", "--estimates", "e", "--metrics", "toy-fatal,toy-peak", "--out", "x.csv", "--workers", "1")
    assert cli(*command, env=toy_plugin).returncode == 1
    scores = pd.read_csv(tmp_path / "x.csv").set_index("id")
    assert scores["toy-peak"].notna().all()
    assert scores.loc["soft", "toy-fatal"] == 1.0
    assert "died" in scores.loc["loud", "toy-fatal.error"]


def test_verify_prints_no_terminal_escape_sequence(cli: Cli, tmp_path: Path) -> None:
    assert cli("degrade", "demo", "--out", "t", "--limit", "1").returncode == 0
    (tmp_path / "t" / "degraded" / "a\x1b[31m.flac").touch()
    done = cli("verify", "t")
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "a\ufffd[31m.flac: not in the manifest" in done.stdout


def test_a_config_that_extends_itself_and_a_rate_below_8_khz_are_refused(
    cli: Cli, tmp_path: Path, toy_plugin: dict[str, str]
) -> None:
    (tmp_path / "me.toml").write_text('extends = "me.toml"\n')
    done = cli("train", "me.toml")
    assert (done.returncode, done.stderr.strip()) == (2, "restorebench: me.toml: extends itself")
    (tmp_path / "s.toml").write_text(
        'name = "s"\nversion = 1\nsummary = "x"\nmetrics = ["lsd"]\nsystems = ["unprocessed"]\n'
        'corpus = { reader = "demo", rate = 100 }\n'
    )
    done = cli("run", "s.toml", "--store", "s")
    assert done.returncode == 2
    assert "corpus.rate: Input should be greater than or equal to 8000" in done.stderr


def test_an_unexpected_exception_gives_a_plain_message_without_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from restorebench.benchmark.cli import main as command

    def broken(arguments: list[str]) -> None:
        raise KeyError("x\ny")

    monkeypatch.setattr(command, "app", broken)
    monkeypatch.setattr("sys.argv", ["restorebench", "list"])
    with pytest.raises(SystemExit) as stopped:
        command.main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err.strip().startswith("restorebench: unexpected KeyError")
    monkeypatch.setattr("sys.argv", ["restorebench", "list", "--debug"])
    with pytest.raises(KeyError):
        command.main()
