"""The Python interface: `import restorebench as rb` gives Python code and notebooks the command line's numbers."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import restorebench as rb
from restorebench.benchmark import registry
from restorebench.benchmark.audio import read, samples_for
from restorebench.benchmark.data.locations import BUNDLE
from restorebench.benchmark.run.defaults import fetch_weights, plan_of_suite
from tests.conftest import Cli

DOCUMENTED = (
    "restorebench.benchmark.api", "restorebench.benchmark.types", "restorebench.corruptions.step",
    "restorebench.reports.results",
)  # fmt: skip


def quieter(samples: np.ndarray, rate: int) -> np.ndarray:
    return 0.5 * samples


def fragile(samples: np.ndarray, rate: int) -> np.ndarray:
    if len(samples) // 1000 % 2:
        raise ValueError("an unsupported length")
    return samples


@pytest.fixture(scope="module")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api") / "store"
    rb.evaluate(["spectral-gate"], "demo", store=folder, metrics=["lsd", "si_sdr"], limit=3, workers=1)
    return folder


@pytest.mark.parametrize("module", DOCUMENTED)
def test_examples_in_docstrings_run(module: str, demo_store: Path, tmp_path: Path) -> None:
    names = {"folder": tmp_path / "store", "demo_store": demo_store}
    imported = importlib.import_module(module)
    done = doctest.testmod(imported, extraglobs=names, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert done.attempted > 0
    assert done.failed == 0


def test_the_import_loads_no_large_package_and_every_public_name_exists() -> None:
    code = (
        "import sys, restorebench as rb\n"
        "heavy = {'numpy', 'pandas', 'torch', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert dir(rb) == rb.__all__ == sorted(rb.__all__)\n"
        "print([getattr(rb, name) for name in rb.__all__] and rb.__version__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == rb.__version__
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = rb.nonsense


def test_python_m_restorebench_is_the_command() -> None:
    version = subprocess.run([sys.executable, "-m", "restorebench", "--version"], capture_output=True, text=True)
    assert version.stdout == f"restorebench {rb.__version__}\n"
    help_page = subprocess.run([sys.executable, "-m", "restorebench", "--help"], capture_output=True, text=True)
    assert help_page.returncode == 0
    assert "Usage: restorebench" in help_page.stdout or "Usage: python -m restorebench" in help_page.stdout


def test_python_and_the_command_line_give_the_same_numbers(cli: Cli, demo_store: Path, tmp_path: Path) -> None:
    names = ("--systems", "spectral-gate,unprocessed,target", "--metrics", "lsd,si_sdr")
    done = cli("run", "demo", *names, "--limit", "3", "--store", "s")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "s" / "records.csv").read_bytes() == (demo_store / "records.csv").read_bytes()


def test_a_function_is_evaluated_beside_the_anchors(tmp_path: Path) -> None:
    store = tmp_path / "store"
    results = rb.evaluate(quieter, "demo", store=store, metrics=["lsd", "si_sdr", "rtf"], limit=4, workers=1)
    board = results.board()
    assert list(board.index) == ["unprocessed", "target", "quieter"]
    assert board.loc["quieter", "SI-SDR"] == pytest.approx(board.loc["unprocessed", "SI-SDR"], abs=1e-3)
    assert board.loc["quieter", "RTF"] < 0.1
    before = (store / "records.csv").read_bytes()
    again = rb.evaluate(quieter, "demo", store=store, metrics=["lsd", "si_sdr"], limit=4, workers=1)
    assert (store / "records.csv").read_bytes() == before, "equal sounds are not scored again"
    assert again.board().loc["quieter", "LSD"] == board.loc["quieter", "LSD"]


def test_a_changed_function_gives_changed_numbers(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"store": tmp_path / "s", "metrics": ["lsd"], "limit": 2, "workers": 1, "beside": ()}
    first = rb.evaluate({"mine": lambda samples, rate: samples}, "demo", **arguments).board()
    second = rb.evaluate({"mine": lambda samples, rate: 0.1 * samples}, "demo", **arguments).board()
    assert first.loc["mine", "LSD"] != second.loc["mine", "LSD"]


def test_a_function_has_no_value_for_the_clips_on_which_it_fails(tmp_path: Path) -> None:
    results = rb.evaluate(fragile, "demo", store=tmp_path / "s", metrics=["lsd"], limit=6, workers=1, beside=())
    records = results.records
    clips = [read(BUNDLE / f"{clip}.flac") for clip in records["utterance"]]
    failures = [samples_for(clip.seconds, 16_000) // 1000 % 2 for clip in clips]  # the demo's sample rate
    assert 0 < sum(failures) < 6
    assert list(records["value"].isna()) == [bool(failure) for failure in failures]
    assert set(records["why"]) == {"", "ValueError: an unsupported length"}


def test_failures_of_a_function_are_tried_again(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"store": tmp_path / "s", "metrics": ["lsd"], "limit": 4, "workers": 1, "beside": ()}
    first = rb.evaluate({"mine": fragile}, "demo", **arguments)
    assert first.records["value"].isna().any()
    again = rb.evaluate({"mine": fragile}, "demo", retry_failed=True, **arguments)
    assert list(again.records["why"]) == list(first.records["why"])
    mended = rb.evaluate({"mine": quieter}, "demo", retry_failed=True, **arguments)
    assert mended.records["value"].notna().all()


def test_failed_scores_of_a_function_are_measured_again(tmp_path: Path) -> None:
    """SI-SDR fails on silence: with `retry_failed`, the failed score is dropped and measured again."""
    arguments: dict[str, Any] = {"store": tmp_path / "s", "metrics": ["si_sdr"], "limit": 1, "workers": 1, "beside": ()}
    silence = {"mine": lambda samples, rate: 0 * samples}
    failed = rb.evaluate(silence, "demo", **arguments)
    assert failed.records["value"].isna().all()
    before = set((tmp_path / "s" / "scores").glob("*.parquet"))
    times = {path: path.stat().st_mtime_ns for path in before}
    rb.evaluate(silence, "demo", **arguments)
    assert {path: path.stat().st_mtime_ns for path in before} == times, "nothing is measured again by default"
    rb.evaluate(silence, "demo", retry_failed=True, **arguments)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "s" / "scores").glob("*.parquet")}
    assert after != times


def test_defaults_that_cannot_be_used_give_a_warning(tmp_path: Path) -> None:
    suite = rb.load_suite("demo").model_copy(update={"metrics": ("si_sdr", "sesqa")})
    with pytest.warns(UserWarning, match="without sesqa: its scores can only be imported"):
        rb.evaluate("unprocessed", suite, store=tmp_path / "s", limit=1, workers=1, beside=())


def test_a_board_warns_of_cells_with_missing_values(tmp_path: Path) -> None:
    results = rb.evaluate(fragile, "demo", store=tmp_path / "s", metrics=["lsd"], limit=6, workers=1, beside=())
    with pytest.warns(UserWarning, match=r"fragile LSD \(n=[1-5]/6\)"):
        board = results.board()
    assert list(board.index) == ["fragile"]


def test_a_suite_without_a_usable_metric_is_refused_with_the_reason(tmp_path: Path) -> None:
    suite = rb.load_suite("demo").model_copy(update={"metrics": ("sesqa",)})
    with pytest.raises(rb.RequestError, match=r"none of the metrics of demo can be used here \(sesqa: its scores"):
        rb.evaluate("unprocessed", suite, store=tmp_path / "s")


def test_scores_are_a_data_frame_and_compare_gives_differences(demo_store: Path) -> None:
    results = rb.open_results(demo_store)
    assert {"clip", "system", "value_name", "value"} <= set(results.scores.columns)
    assert len(results.scores) == 3 * 3 * 2
    compared = results.compare("target", "unprocessed").set_index("value_name")
    assert compared.loc["lsd", "first"] == pytest.approx(0, abs=1e-6)
    assert compared.loc["lsd", "difference"] == pytest.approx(-compared.loc["lsd", "second"])
    assert set(compared["better"]) == {""}, "three clips are too few to call one system better"
    assert isinstance(results.breakdown(), pd.DataFrame)
    assert "SNR" in results.breakdown()
    assert "spectral-gate" in results._repr_html_()
    assert repr(results).startswith("<Results of demo: ")
    with pytest.raises(rb.RequestError, match="no scores for elsewhere"):
        results.board("elsewhere")


def test_a_value_without_scores_names_those_with_scores(demo_store: Path) -> None:
    results = rb.open_results(demo_store)
    condition = results.conditions[0]
    with pytest.raises(rb.RequestError, match=f"no scores for {condition}/nothing; with scores: {condition}/"):
        results.clips(condition, "nothing")


def test_one_sound_is_restored_and_degraded() -> None:
    clean = read(BUNDLE / "slt_04.flac")
    degraded = rb.degrade(clean.samples, clean.rate, seed=3, bandwidth_hz=[1000, 8000])
    assert degraded.samples.shape == degraded.reference.shape == clean.samples.shape
    again = rb.degrade(clean.samples, clean.rate, seed=3, bandwidth_hz=[1000, 8000])
    assert np.array_equal(again.samples, degraded.samples)
    assert again.recipe == degraded.recipe != rb.degrade(clean.samples, clean.rate, seed=4).recipe
    restored = rb.restore(degraded.samples, clean.rate, system="spectral-gate")
    assert restored.shape == clean.samples.shape
    scores = rb.score(restored, degraded.reference, rate=clean.rate, metrics=["lsd", "si_sdr"])
    assert set(scores) == {"lsd", "si_sdr"}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: rb.score(np.zeros(100), rate=16_000, metrics=["lsd"]), "lsd needs reference"),
        (lambda: rb.score(np.zeros(100), rate=16_000, metrics=["lds"]), "did you mean"),
        (lambda: rb.score(np.zeros((2, 100)), rate=16_000, metrics=["dnsmos"]), r"shape \(2, 100\)"),
        (lambda: rb.restore(np.zeros(100), 16_000, system="target"), "target is supplied, not run"),
        (lambda: rb.degrade(np.zeros(100), 16_000, "nois"), "did you mean"),
        (lambda: rb.evaluate({"wpe": quieter}, store="s"), "wpe is a registered system"),
    ],
)
def test_requests_that_cannot_be_carried_out_are_refused(call: Any, words: str) -> None:
    with pytest.raises((rb.RequestError, rb.AudioError), match=words):
        call()


def test_lists_contain_registered_names() -> None:
    assert {"masksr2-nano", "unprocessed"} <= set(rb.list_systems())
    assert "unprocessed" not in rb.list_systems(runnable=True)
    assert "dnsmos" in rb.list_metrics()
    assert "voicefixer" in rb.list_corruptions()
    assert rb.load_suite("demo").name in rb.list_suites()


@pytest.fixture
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache and an empty mirror; downloads are off."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("RESTOREBENCH_WEIGHTS", str(tmp_path / "mirror"))
    monkeypatch.setenv("RESTOREBENCH_OFFLINE", "1")


@pytest.mark.usefixtures("nothing_fetched")
def test_a_stand_in_is_measured_where_weights_are_absent() -> None:
    """The stand-in has its own name, and the metric that it replaces is reported as unusable."""
    pytest.importorskip("pocketsphinx")
    plan, unusable = plan_of_suite(rb.load_suite("demo"), ["unprocessed"], limit=1)
    assert "wer@pocketsphinx" in plan.metrics
    assert "wer@whisper-tiny.en" not in plan.metrics
    assert "restorebench data fetch whisper-tiny.en-model" in unusable["wer@whisper-tiny.en"]
    explicit_plan, _ = plan_of_suite(rb.load_suite("demo"), ["unprocessed"], ["lsd"], limit=1)
    assert explicit_plan.metrics == ("lsd",)


@pytest.mark.usefixtures("nothing_fetched")
def test_every_weight_that_cannot_be_fetched_is_reported() -> None:
    messages: list[str] = []
    fetch_weights(rb.load_suite("demo"), ["unprocessed", "gtcrn", "dtln"], ["lsd"], messages.append)
    assert messages[0] == "to fetch: 5 MB"
    assert [line.partition(":")[0] for line in messages[1:4]] == [
        "gtcrn/gtcrn_simple.onnx", "dtln/model_1.onnx", "dtln/model_2.onnx",
    ]  # fmt: skip
    assert all("RESTOREBENCH_OFFLINE is set" in line and "; then " in line for line in messages[4:])
    assert len(messages) == 7


@pytest.mark.usefixtures("nothing_fetched")
def test_a_package_that_could_not_be_compiled_does_not_stop_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a C compiler there is no PESQ: other weights are still requested, and the plan omits PESQ."""
    monkeypatch.setattr(registry, "_installed", lambda name: name not in ("pesq", "faster-whisper"))
    messages: list[str] = []
    fetch_weights(rb.load_suite("demo"), ["unprocessed", "gtcrn"], None, messages.append)
    assert [line for line in messages if line.startswith("gtcrn/")]
    assert not [line for line in messages if "whisper" in line], "a metric that cannot run needs no weights"
    _, unusable = plan_of_suite(rb.load_suite("demo"), ["unprocessed"], limit=1)
    assert "pesq not installed" in unusable["pesq"]
