"""Values over checkpoints: change points of simulated series with planted steps, and the command on real stores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from restorebench.benchmark.analysis.change_points import ChangePoint
from restorebench.benchmark.analysis.change_points import change_points as points_of
from restorebench.benchmark.analysis.paired_tests import Sample
from restorebench.benchmark.contracts import SystemCard
from restorebench.reports.tables.trend import by_number, series
from tests.conftest import Cli

CLIPS, CHECKPOINTS = 180, 12
OVL_SPREAD, NOISE = 0.55, 0.2
"""Standard deviation of OVL over clips, and of a clip's OVL from one checkpoint to the next, as for masksr2-nano."""


def simulated_ovl(seed: int, step_at: int | None = None, size: float = 0.1) -> NDArray[np.float64]:
    """Simulated OVL [checkpoint, clip]; from checkpoint `step_at` on, it is higher by `size`."""
    rng = np.random.default_rng(seed)
    scores = 2.8 + rng.normal(scale=OVL_SPREAD, size=CLIPS) + rng.normal(scale=NOISE, size=(CHECKPOINTS, CLIPS))
    if step_at is not None:
        scores[step_at:] += size
    return scores


SPEAKERS = np.arange(CLIPS) % 16


def change_points(scores: NDArray[np.float64], cluster: NDArray[np.int64]) -> list[ChangePoint]:
    return points_of(Sample(scores, np.ones_like(scores), cluster))


def test_a_planted_step_is_found_at_its_checkpoint() -> None:
    for seed, step_at in enumerate(range(1, CHECKPOINTS)):
        [point] = change_points(simulated_ovl(seed, step_at), SPEAKERS)
        assert point.place == step_at
        assert point.shift == pytest.approx(0.1, abs=0.04)


def test_series_without_a_step_have_none() -> None:
    """LEVEL allows a false shift in one of 1000 series, so more than 4 would be rare. The first 200 seeds have none."""
    seeds_with_a_step = [seed for seed in range(1000) if change_points(simulated_ovl(20_000 + seed), SPEAKERS)]
    assert len(seeds_with_a_step) <= 4
    assert not [seed for seed in seeds_with_a_step if seed < 200]


def test_two_steps_give_two_change_points() -> None:
    scores = simulated_ovl(3, 4, 0.2)
    scores[8:] -= 0.3
    up, down = change_points(scores, SPEAKERS)
    assert (up.place, down.place) == (4, 8)
    assert up.shift > 0 > down.shift


def test_clips_without_a_value_are_left_out() -> None:
    scores = simulated_ovl(0, 6)
    scores[2, :20] = np.nan
    [point] = change_points(scores, SPEAKERS)
    assert point.place == 6
    assert change_points(scores[:, :20], SPEAKERS[:20]) == []


def test_equal_scores_have_no_step_and_equal_shifts_are_sure() -> None:
    scores = np.repeat(simulated_ovl(0)[:1], 4, axis=0)
    assert change_points(scores, SPEAKERS) == []
    scores[2:] += 0.5
    assert [point.place for point in change_points(scores, SPEAKERS)] == [2]


def test_a_constant_series_has_no_step() -> None:
    """The sums of equal numbers such as 0.1 differ by rounding errors, which are no step."""
    for number in (0.1, 0.7, 2.9, 3.3):
        for checkpoints in (7, 10):
            assert change_points(np.full((checkpoints, 30), number), np.arange(30)) == []


def test_a_shift_is_that_of_the_pooled_scores() -> None:
    """Error rates are pooled: a clip of forty words counts more than one of two."""
    rng = np.random.default_rng(5)
    words = np.tile(rng.integers(2, 40, CLIPS), (6, 1)).astype(float)
    errors = rng.binomial(words.astype(int), np.array([[0.3]] * 3 + [[0.2]] * 3)).astype(float)
    [point] = points_of(Sample(errors, words, SPEAKERS))
    pooled = errors.sum(1) / words.sum(1)
    assert point.place == 3
    assert point.shift == pytest.approx(pooled[3:].mean() - pooled[:3].mean())


def card(name: str, steps: int | None = None) -> SystemCard:
    return SystemCard(name=name, version=1, summary="", source="", steps=steps)


def test_series_are_ordered_by_step() -> None:
    names = ["masksr@r/step-1000.safetensors", "masksr@r/step-200.safetensors", "unprocessed", "sise@a.safetensors"]
    steps_by_series = series({name: card(name) for name in names})
    assert set(steps_by_series) == {"masksr@r/step-#.safetensors"}
    assert list(steps_by_series["masksr@r/step-#.safetensors"]) == names[1::-1]
    cards_with_steps = {names[0]: card(names[0], steps=5), names[1]: card(names[1], steps=7)}
    assert series(cards_with_steps)["masksr@r/step-#.safetensors"] == {names[0]: 5, names[1]: 7}


@pytest.mark.parametrize(
    "pattern",
    ["masksr@{run}/step-{step}.pt", "masksr@{run}/step-{step}/model.pt", "masksr@step-{step}.pt?guidance={run}"],
)
def test_each_run_and_each_option_is_a_series_of_its_own(pattern: str) -> None:
    names = [pattern.format(run=run, step=step) for run in "ab" for step in (1000, 200)]
    steps_by_series = series({name: card(name) for name in names})
    assert sorted(list(steps.values()) for steps in steps_by_series.values()) == [[200, 1000], [200, 1000]]


def test_published_outputs_are_no_series() -> None:
    names = ["published:VF@/d/out1", "published:VF@/d/out2"]
    assert series({name: card(name).model_copy(update={"kind": "published"}) for name in names}) == {}


def test_files_are_ordered_by_number() -> None:
    files = [Path("r/step-1000.safetensors"), Path("r/step-90.safetensors"), Path("r/last.safetensors")]
    assert by_number(files) == [files[2], files[1], files[0]]


def test_checkpoints_of_a_run_make_a_trend(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tests.tiny import random_checkpoint

    for step in (100, 20):
        random_checkpoint(tmp_path / f"step-{step}.safetensors")
    run = ("run", "demo", "--systems", "unprocessed,masksr", "--metrics", "lsd", "--limit", "3", "--store", "s")
    done = cli(*run, "--checkpoints", "step-*.safetensors")
    assert done.returncode == 0, done.stderr
    [table] = json.loads(cli("trend", "s", "--format", "json").stdout)
    assert [row["checkpoint"] for row in table["rows"]] == ["step-20.safetensors", "step-100.safetensors"]
    assert [row["step"] for row in table["rows"]] == ["20", "100"]
    first, second = (float(row["value"]) for row in table["rows"])
    assert float(table["rows"][1]["change"].rstrip("*")) == pytest.approx(second - first, abs=0.0011)
    assert "masksr@step-#.safetensors: LSD" in cli("trend", "s", "--values", "lsd").stdout
    assert cli("report", "s", "--out", "r", "--clips", "0").returncode == 0
    page = (tmp_path / "r" / "index.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="trend"') :].partition("</section>")[0]
    assert all(row["value"] in section and row["checkpoint"] in section for row in table["rows"])
    failed = cli("trend", "s", "--values", "rtf")
    assert (failed.returncode, "rtf has no trend here; values with a trend: lsd" in failed.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none-*", "--systems", "masksr"], "no such files"),
        (["*.toml", "--systems", "dtln"], "needs --systems NAME"),
        (["*.toml", "--systems", "masksr@b.pt"], "needs --systems NAME"),
        (["*.bin", "--systems", "masksr"], "rename the file or folder"),
    ],
)
def test_requests_without_usable_checkpoints_are_refused(
    arguments: list[str], message: str, cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "a.toml").touch()
    (tmp_path / "lr=1,bs=2-3.bin").touch()
    done = cli("run", "demo", "--store", "s", "--checkpoints", *arguments)
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_a_store_without_series_says_how_to_make_one(cli: Cli) -> None:
    run = ("run", "demo", "--systems", "target", "--metrics", "si_sdr", "--limit", "1", "--store", "s")
    assert cli(*run).returncode == 0
    done = cli("trend", "s")
    assert done.returncode == 2
    assert "no system has several checkpoints here; run one with: restorebench run" in done.stderr
