"""Imported scores are stored under their own name, each for its clip; a table with a mistake is refused as a whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from restorebench.benchmark.analysis.board import board
from restorebench.benchmark.components import why_not
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.folders.import_scores import import_scores
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.run.execute import execute
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.suite import load_suite
from tests.conftest import Cli


@pytest.fixture(scope="module")
def measured_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = make_plan(load_suite("demo"), ["unprocessed", "target"], ["si_sdr"], limit=2)
    return execute(plan, tmp_path_factory.mktemp("made") / "store", workers=1).root


@pytest.fixture
def store(measured_store: Path, tmp_path: Path) -> Store:
    return Store(shutil.copytree(measured_store, tmp_path / "store"))


def table(store: Store, text: str) -> Path:
    path = store.root.parent / "scores.csv"
    path.write_text(text)
    return path


def clips(store: Store) -> list[str]:
    return [trial.utterance.id for trial in store.plans()[0].trials]


def test_imported_scores_are_on_the_board_under_their_name(store: Store, cli: Cli) -> None:
    first, second = clips(store)
    path = table(store, f"system,id,value\nunprocessed,{first},2.0\nunprocessed,{second},3.0\ntarget,{first},4.0\n")
    done = cli("score", "--import", path, "--metric", "sesqa", "--store", store.root)
    assert done.returncode == 0, done.stderr
    [plan] = store.plans()
    cells = {cell.system: cell for cell in board(plan, store).cells if cell.value_name == "sesqa"}
    assert cells["unprocessed"].value == 2.5
    assert (cells["target"].value, cells["target"].n, cells["target"].planned) == (4.0, 1, 2)
    assert "weights=" in plan.signatures["sesqa"]
    shown = cli("board", store.root)
    assert "SESQA" in shown.stdout
    assert "n=1/2" in shown.stdout


def test_a_second_table_replaces_the_first_and_is_not_mixed_with_it(store: Store) -> None:
    first, second = clips(store)
    import_scores(store, store.plans()[0], table(store, f"system,id,value\ntarget,{first},1.0\n"), "panel")
    import_scores(store, store.plans()[0], table(store, f"system,id,value\ntarget,{second},5.0\n"), "panel")
    [plan] = store.plans()
    [cell] = [c for c in board(plan, store).cells if c.value_name == "panel" and c.system == "target"]
    assert (cell.value, cell.n) == (5.0, 1)


def test_an_unpublished_metric_gives_the_reason_for_its_missing_values(store: Store, cli: Cli) -> None:
    assert "restorebench score --import" in why_not("metrics", "sesqa")
    done = cli("run", "demo", "--systems", "target", "--metrics", "sesqa", "--limit", "1", "--store", "other")
    assert "SESQA was never published; import scores" in (store.root.parent / "other" / "records.csv").read_text()
    assert done.returncode in (0, 1)


@pytest.mark.parametrize(
    ("text", "metric", "words"),
    [
        ("system,id,value\ntarget,nobody,1\n", "sesqa", "demo has no clip 'nobody' of 'target'"),
        ("system,id,value\nmagic,{first},1\n", "sesqa", "of 'magic'"),
        ("system,id,value\ntarget,{first},loud\n", "sesqa", "line 2: value 'loud' is not a number"),
        ("system,id,value\n\n\ntarget,{first},loud\n", "sesqa", "line 4: value 'loud' is not a number"),
        ("system,id,value\ntarget,{first},1\ntarget,{first},2\n", "sesqa", "two rows score the same clip"),
        ("system,id\ntarget,{first}\n", "sesqa", "wanted system,id,value"),
        ("", "sesqa", "wanted system,id,value"),
        ("system,id,value\n", "sesqa", "has no rows below its header"),
        ("system,id,value\ntarget,NA,1\n", "sesqa", "demo has no clip 'NA' of 'target'"),
        ("system,id,value\ntarget,{first},NaN\n", "sesqa", "line 2: value 'NaN' is not a number"),
        ("system,id,value\ntarget,{first},1_0\n", "sesqa", "line 2: value '1_0' is not a number"),
        ("system,id,value,seed\ntarget,{first},1,x\n", "sesqa", "line 2: seed 'x' is not a whole number"),
        ("system,id,value\ntarget,{first},1\n", "lsd", "lsd is computed here"),
        ("system,id,value\ntarget,{first},1\n", "dnsmos.ovl", "dnsmos.ovl is a value of dnsmos"),
    ],
)
def test_a_table_with_a_mistake_is_refused_as_a_whole(store: Store, text: str, metric: str, words: str) -> None:
    before = sorted(store.root.rglob("*"))
    valid_row = "target,{second},1\n" if "value\ntarget" in text else ""
    first, second = clips(store)
    path = table(store, (text + valid_row).format(first=first, second=second))
    with pytest.raises(RequestError) as caught:
        import_scores(store, store.plans()[0], path, metric)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(store.root.rglob("*")) == before


def test_a_blank_seed_and_condition_are_accepted(store: Store) -> None:
    first, _ = clips(store)
    path = table(store, f"system,id,value,seed,condition\ntarget,{first},1,,\n")
    assert import_scores(store, store.plans()[0], path, "sesqa") == 1


def test_score_without_options_names_the_options(cli: Cli) -> None:
    done = cli("score")
    assert done.returncode == 2
    assert "wanted --estimates DIR and --out FILE, or --import FILE" in done.stderr
