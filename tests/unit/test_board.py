"""Boards: missing values are reported, and published cells are compared with reasons."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from restorebench.benchmark import registry
from restorebench.benchmark.analysis.board import board
from restorebench.benchmark.components import metric_card
from restorebench.benchmark.contracts import TrainingCorpus
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.run.execute import execute
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.suite import load_suite
from restorebench.benchmark.types import Cell
from restorebench.reports.papers.published import cells_of, paper
from restorebench.reports.papers.verdicts import Verdict, against, against_long, stands_beside, verdict
from restorebench.reports.tables.board import results


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    plan = make_plan(load_suite("demo"), ["unprocessed", "target"], ["lsd", "si_sdr"], limit=3)
    return execute(plan, tmp_path_factory.mktemp("board") / "store", workers=1)


def test_cells_are_means_over_the_plan(store: Store) -> None:
    [plan] = store.plans()
    cells = {(c.system, c.value_name): c for c in board(plan, store).cells}
    rows = store.table("scores").to_pandas()
    for (system, name), cell in cells.items():
        values = rows[(rows["system"] == system) & (rows["value_name"] == name)]["value"]
        assert cell.value == pytest.approx(values.mean())
        if values.nunique() == 1:
            assert (cell.low, cell.high) == (None, None), "equal values have no interval"
        else:
            assert cell.low is not None
            assert cell.high is not None
            assert cell.low <= cell.value <= cell.high
        assert (cell.n, cell.planned) == (3, 3)


def test_planned_clips_without_a_value_are_reported(store: Store) -> None:
    plan = make_plan(load_suite("demo"), ["unprocessed", "target"], ["lsd", "stoi"], limit=4)
    larger_board = board(plan, store)
    cells = {(c.system, c.value_name): (c.n, c.planned, c.why) for c in larger_board.cells}
    assert cells["target", "lsd"][:2] == (3, 4)
    assert cells["target", "stoi"] == (0, 4, "4 of 4 clips have no value: not measured yet")
    [table] = results(larger_board)
    assert any("not measured (with these versions): run the suite again" in note for note in table.notes)
    assert any("(n=3/4)" in cell for row in table.rows for cell in row)


def test_a_system_that_was_trained_on_tested_speakers_is_marked(store: Store) -> None:
    [plan] = store.plans()
    [tested] = {trial.utterance.speaker for trial in plan.trials[:1]}
    for speakers, marks in (((tested, "somebody"), 1), (("somebody",), 0)):
        trained = TrainingCorpus(corpus="a corpus", recordings=2, speakers=speakers)
        cards = plan.system_cards | {"target": plan.system_cards["target"].model_copy(update={"training": (trained,)})}
        reread = Plan.from_json(replace(plan, system_cards=cards).to_json())
        [table] = results(board(reread, store))
        assert [row[0] for row in table.rows if "‡" in row[0]] == ["target ⚓ ‡"] * marks
        assert sum(f"1 of the 3 speakers of these clips ({tested})" in note for note in table.notes) == marks


@pytest.mark.parametrize(
    ("corpus", "speakers", "marks"),
    [("LibriSpeech (Libri1Mix)", (), 1), ("LibriSpeech", ("somebody",), 0), ("DNS Challenge 2020", (), 0)],
)
def test_a_system_that_was_trained_on_the_clips_corpus_is_marked(
    corpus: str, speakers: tuple[str, ...], marks: int, store: Store
) -> None:
    """A card that lists speakers is judged by the speakers alone, not by the corpus's name."""
    [plan] = store.plans()
    trained = TrainingCorpus(corpus=corpus, speakers=speakers)
    cards = plan.system_cards | {"target": plan.system_cards["target"].model_copy(update={"training": (trained,)})}
    suite = plan.suite.model_copy(update={"corpus": plan.suite.corpus.model_copy(update={"name": "LibriSpeech"})})
    [table] = results(board(replace(plan, suite=suite, system_cards=cards), store))
    assert [row[0] for row in table.rows if "‡" in row[0]] == ["target ⚓ ‡"] * marks
    assert sum(f"target was trained on {corpus}, and these clips are of LibriSpeech" in n for n in table.notes) == marks


@pytest.mark.parametrize(("steps", "notes"), [(18, 1), (800_000, 0), (None, 0)])
def test_a_checkpoint_of_a_few_steps_is_noted(steps: int | None, notes: int, store: Store) -> None:
    [plan] = store.plans()
    cards = plan.system_cards | {"target": plan.system_cards["target"].model_copy(update={"steps": steps})}
    [table] = results(board(Plan.from_json(replace(plan, system_cards=cards).to_json()), store))
    assert sum("target: its checkpoint is from step 18: its output may be noise" in n for n in table.notes) == notes


def test_a_plan_from_before_values_had_roles_gets_roles(store: Store) -> None:
    [plan] = store.plans()
    data = json.loads(plan.to_json())
    for card in data["metrics"]:
        for value in card["values"]:
            for field in ("role", "headline", "stand_in", "margin", "limit"):
                del value[field]
    assert Plan.from_json(json.dumps(data)).metric_cards == plan.metric_cards


def test_published_cells_are_shown_with_reasons_against_a_comparison(store: Store) -> None:
    [plan] = store.plans()
    [table] = against(board(plan, store), "masksr2")
    [row] = [row for row in table.rows if row[0] == "Unprocessed" and row[1] == "lsd"]
    assert row[3] == "1.917"
    assert float(row[4]) == pytest.approx(float(row[2]) - 1.917, abs=1.1e-3)
    assert row[5] == "I, V"
    assert row[6] == "n/c: 1, 2"
    assert table.notes[0].startswith("1: other test set")
    assert table.notes[1] == "2: a limit left out 9 clips"
    [long] = against_long(board(plan, store), "masksr2")
    assert all(row[-1].startswith("not comparable: other test set") for row in long.rows)


def test_a_paper_without_a_counterpart_is_noted_and_an_unknown_paper_is_refused(store: Store) -> None:
    [plan] = store.plans()
    [table] = against(board(plan, store), "sise")
    assert "corresponds to a test set of sise" in table.notes[0]
    with pytest.raises(RequestError, match="did you mean masksr2"):
        against(board(plan, store), "masksr")


@pytest.mark.parametrize(
    ("value", "n", "planned", "system", "wanted"),
    [
        (2.483, 150, 150, "unprocessed", "reproduced"),
        (2.490, 150, 150, "unprocessed", "reproduced"),  # implementations differ by up to 0.01
        (2.500, 150, 150, "unprocessed", "close"),
        (2.510, 150, 150, "unprocessed", "differs"),  # within our interval of +-0.05, but the clips are the same
        (2.483, 149, 150, "unprocessed", "not comparable: only 149 of 150 clips have a value"),
        (2.483, 5, 5, "unprocessed", "not comparable: 5 of the published set's 150 clips"),
        (None, 0, 150, "unprocessed", "not measured: only 0 of 150 clips have a value"),
    ],
)
def test_the_verdict_of_a_cell(value: float | None, n: int, planned: int, system: str, wanted: str) -> None:
    """DNS 2020 without reverb, the paper's own set and scorer; the paper prints 2.483."""
    source = paper("masksr2")
    [published] = [
        c for c in cells_of(source)
        if (c.test_set, c.system, c.metric) == ("dns2020-no-reverb", "Unprocessed", "dnsmos.ovl")
    ]  # fmt: skip
    paper_set = load_suite("masksr2-table4-no-reverb").paper["recorded"]
    ovl = make_plan(load_suite("demo"), ["target"], ["dnsmos"]).metric_cards["dnsmos"].values[2]
    low, high = (None, None) if value is None else (value - 0.05, value + 0.05)
    cell = Cell("s", "recorded", system, "dnsmos.ovl", "x", value, low, high, n, planned)
    result = verdict(source, published, cell, ovl, paper_set, planned, recorded=True)
    assert result.text == wanted
    assert result.tolerance == pytest.approx(0.01)
    drawn_result = verdict(source, published, cell, ovl, paper_set, planned)
    assert drawn_result.tolerance == pytest.approx(2**0.5 * 0.05 if value else 0.01), "both sets of clips vary"


def verdict_of(suite: str, system: str, metric: str, ours: str, value: float) -> Verdict:
    """The verdict on `value` of an anchor after a complete run of a suite, against the paper's cell of `metric`."""
    paper_set = load_suite(suite).paper["*"]
    source = paper(paper_set.paper)
    rows = {"target": "Target", "unprocessed": "Unprocessed" if paper_set.paper == "masksr2" else "Noisy"}
    [published] = [
        c for c in cells_of(source)
        if (c.table, c.test_set, c.system, c.metric) == (paper_set.table, paper_set.test_set, rows[system], metric)
    ]  # fmt: skip
    [measured] = [v for name in registry.targets_by_name("metrics") for v in metric_card(name).values if v.name == ours]
    cell = Cell("s", "c", system, ours, "x", value, value - 0.001, value + 0.001, 1000, 1000)
    return verdict(source, published, cell, measured, paper_set, paper_set.clips or 1000)


def test_no_value_is_reproduced_on_a_set_that_the_paper_does_not_define() -> None:
    """MaskSR2's Table III states neither noise nor SNR, SISE states neither SNR nor T60: equality would be chance."""
    result = verdict_of("masksr2-table3", "unprocessed", "dnsmos.ovl", "dnsmos.ovl", 2.396)
    assert result.text.startswith("not comparable: the paper states neither noise nor SNR")
    result = verdict_of("sise-table1-seedtts-en", "unprocessed", "dnsmos.bak", "dnsmos.bak", 2.25)
    assert result.text.startswith("not comparable: the paper states neither SNR nor T60")


def test_a_target_against_itself_is_right_by_definition() -> None:
    """Such a score, LSD 0.000, reproduces no result of the paper; other scores of the target do."""
    assert verdict_of("masksr2-table1", "target", "lsd", "lsd", 0.0).status == "by definition"
    assert verdict_of("masksr2-table1", "target", "dnsmos.ovl", "dnsmos.ovl", 3.186).status == "reproduced"
    assert verdict_of("masksr2-table1", "unprocessed", "lsd", "lsd", 1.917).status == "reproduced"


def test_the_tolerance_of_a_small_error_rate_is_a_share_of_that_rate() -> None:
    """A difference of 0.3 WER points is within the noise at 6 %, but not at the target's 0.55 %."""
    assert verdict_of("masksr2-table1", "target", "wer@conformer-xl", "wer@nemo", 0.27).tolerance == pytest.approx(
        0.055
    )
    assert verdict_of("masksr2-table1", "unprocessed", "wer@conformer-xl", "wer@nemo", 6.3).tolerance == 0.3


def test_the_tolerance_is_at_least_half_of_the_last_printed_digit() -> None:
    source = paper("masksr2")
    [published] = [
        c for c in cells_of(source) if (c.table, c.system, c.metric) == ("I", "VoiceFixer", "spk_sim@wespeaker")
    ]
    value = metric_card("spk_sim@wespeaker").values[0]
    cell = Cell("s", "c", "published:VoiceFixer", value.name, "x", 0.7683, 0.7683, 0.7683, 1000, 1000)
    result = verdict(source, published, cell, value, load_suite("masksr2-table1").paper["*"], 1000)
    assert result.tolerance == 0.0005
    assert result.status == "reproduced"
    assert result.caveats[0].startswith("same design, other draws")


def test_the_store_keeps_systems_of_earlier_runs(store: Store, tmp_path: Path) -> None:
    plan = make_plan(load_suite("demo"), ["unprocessed"], ["si_sdr"], limit=3)
    again = Store(tmp_path / "again")
    again.put_plan(store.plans()[0])
    again.put_plan(plan)
    [stored_plan] = again.plans()
    assert stored_plan.systems == ("unprocessed", "target")
    assert stored_plan.metrics == ("lsd", "si_sdr")


def test_a_board_needs_no_package_that_measured_its_values(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Records are found by the signatures that the plan stores; no component is created."""
    import importlib.metadata

    from restorebench.benchmark import registry

    def not_installed(*_: object, **__: object) -> None:
        raise importlib.metadata.PackageNotFoundError("nothing is installed")

    monkeypatch.setattr(importlib.metadata, "version", not_installed)
    monkeypatch.setattr(registry, "create", not_installed)
    [plan] = store.plans()
    [table] = results(board(plan, store))
    assert "(n=" not in str(table.rows)


def test_published_rows_match_their_systems_and_the_papers_scorers_come_first() -> None:
    """A published row matches its system with any checkpoint; the paper's scorer takes precedence over its stand-in."""
    source, paper_set = paper("masksr2"), load_suite("masksr2-table1").paper["*"]
    [published] = [
        c for c in cells_of(source)
        if (c.table, c.system, c.variant, c.metric) == ("I", "MaskSR2-S", "L9-K500", "wer@conformer-xl")
    ]  # fmt: skip
    values = {value.name: value for name in ("wer@whisper-tiny.en", "wer@nemo") for value in metric_card(name).values}

    def cell(system: str, name: str) -> Cell:
        return Cell("s", "c", system, name, "x", 4.0, 3.9, 4.1, 1000, 1000)

    own = cell("masksr2-s-l9-k500@runs/a.safetensors", "wer@nemo")
    assert stands_beside(source, published, own, paper_set, values)
    assert not stands_beside(source, published, cell("masksr2-s@a.safetensors", "wer@nemo"), paper_set, values)
    assert not stands_beside(source, published, own, load_suite("masksr2-table5").paper["*"], values)
    stand_in = cell(own.system, "wer@whisper-tiny.en")
    assert not stands_beside(source, published, stand_in, paper_set, values)
    assert stands_beside(source, published, stand_in, paper_set, {"wer@whisper-tiny.en": values["wer@whisper-tiny.en"]})
    result = verdict(source, published, own, values["wer@nemo"], paper_set, 1000)
    assert result.reasons == ("other checkpoint: the authors published none",)
    assert "the paper states neither text normalisation nor aggregation of its WER" in result.caveats


def test_systems_and_values_that_papers_name_are_registered() -> None:
    from restorebench.benchmark import registry
    from restorebench.benchmark.components import metric_card
    from restorebench.reports.papers.published import papers

    values = {value.name for name in registry.targets_by_name("metrics") for value in metric_card(name).values}
    for source in papers().values():
        rows = {
            row
            for table in source.table
            for system, variant, *_ in table.rows
            for row in (system, f"{system}, {variant}")
        }
        assert set(source.systems) <= rows
        for names in source.systems.values():
            for name in names:
                registry.find("systems", name)
        for metric in source.metric.values():
            assert {metric.ours, metric.exact} - {""} <= values
