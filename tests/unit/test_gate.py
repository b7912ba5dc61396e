"""The gate finds what was planted and leaves other seeds alone; it refuses to judge what it cannot."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.analysis.paired_tests import Sample
from restorebench.benchmark.analysis.resampling import Draws
from restorebench.benchmark.cli.main import app
from restorebench.benchmark.contracts import Value
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.gate.baseline import (
    Baseline,
    Clip,
    margins_of,
    named_system,
    read_baseline,
    require_power,
    successor,
    write_baseline,
)
from restorebench.benchmark.gate.gate import GatedValue, judge, judged_by_clip
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.run.execute import execute
from restorebench.benchmark.suite import load_suite
from tests.conftest import Cli

TABLES = 200
DRAWS = Draws("test", draws=2000)
QUALITY = ("dnsmos.sig", "dnsmos.bak", "dnsmos.ovl", "dnsmos.p808")


def simulated(seed: int, clips: int, quality: float = 0.0, wer: float = 0.0) -> tuple[list[PairedScores], Baseline]:
    """A checkpoint with another sampling seed, and its baseline: DNSMOS of four kinds that go together, and WER.

    A seed moves a clip's MOS by 0.15 and an error or two come and go; both are larger than what GSR's published outputs
    of good systems show. `quality` is lost in MOS, `wer` gained in percent.
    """
    rng = np.random.default_rng(seed)
    names = tuple(map(str, range(clips)))
    before: dict[str, dict[str, Clip]] = {}
    measured = []
    level = rng.normal(3.2, 0.4, clips)
    drift = [rng.normal(0, 0.1, clips) for _ in range(2)]
    for name in QUALITY:
        old, new = (level + both + rng.normal(0, 0.11, clips) for both in drift)
        before[name] = {clip: (float(score), 1.0, 1) for clip, score in zip(names, old, strict=True)}
        value = Value(name=name, label=name, unit="MOS", direction="higher")
        sample = Sample((new - quality)[None], np.ones((1, clips)), np.arange(clips))
        measured.append(PairedScores("c", value, ("new",), names, sample, "clip", 0, np.ones((1, clips), np.int64)))
    words = rng.integers(6, 14, clips).astype(float)
    hard = rng.binomial(words.astype(int), 0.04)
    old_errors, new_errors = (hard + rng.poisson(0.01 * words) for _ in range(2))
    new_errors = new_errors + rng.poisson(wer / 100 * words)
    before["wer@pocketsphinx"] = {
        clip: (float(e), float(w), 1) for clip, e, w in zip(names, old_errors, words, strict=True)
    }
    value = Value(name="wer@pocketsphinx", label="WER", unit="%", direction="lower", reduction="rate")
    sample = Sample(new_errors[None].astype(float), words[None], np.arange(clips))
    measured.append(PairedScores("c", value, ("new",), names, sample, "clip", 0, np.ones((1, clips), np.int64)))
    margins = {name: 0.5 if name == "wer@pocketsphinx" else 0.05 for name in (*QUALITY, "wer@pocketsphinx")}
    baseline = Baseline(
        suite="s", trials="t", system="new", reason="r", margins=margins,
        signatures=dict.fromkeys(margins, "s"), clips={"c": before},
    )  # fmt: skip
    return measured, baseline


def passing(clips: int, **planted: float) -> float:
    """The share of tables that pass."""
    return float(np.mean([judge(*simulated(seed, clips, **planted), "new", DRAWS).passes for seed in range(TABLES)]))


def test_other_seeds_pass() -> None:
    assert passing(100) >= 0.95
    assert passing(1000) >= 0.95


def one_value(before: np.ndarray, now: np.ndarray, margin: float = 0.05) -> GatedValue:
    """The gate's word on a single value, higher is better, of a system that does not sample."""
    names = tuple(f"clip-{n}" for n in range(len(before)))
    value = Value(name="dnsmos.ovl", label="OVL", unit="MOS", direction="higher")
    sample = Sample(now[None], np.ones((1, len(now))), np.arange(len(now)))
    measured = PairedScores("c", value, ("new",), names, sample, "clip", 0, np.ones((1, len(now)), np.int64))
    clips: dict[str, Clip] = {name: (float(score), 1.0, 1) for name, score in zip(names, before, strict=True)}
    baseline = Baseline(
        suite="s", trials="t", system="new", reason="r", margins={"dnsmos.ovl": margin},
        signatures={"dnsmos.ovl": "s"}, clips={"c": {"dnsmos.ovl": clips}},
    )  # fmt: skip
    [found] = judge([measured], baseline, "new", DRAWS).judged
    return found


@pytest.mark.parametrize("count", [1, 3, 5])
@pytest.mark.parametrize("drop", ["noise", "the input"])
def test_collapsed_clips_fail_by_name(count: int, drop: str) -> None:
    """24 clips, the others bit-identical: some turn to noise (OVL 1.1), or to a copy of their input (0.8 less)."""
    for seed in range(50):
        rng = np.random.default_rng(seed)
        before = rng.uniform(2.2, 3.4, 24)
        now, hit = before.copy(), rng.choice(24, count, replace=False)
        now[hit] = 1.1 if drop == "noise" else before[hit] - 0.8
        found = one_value(before, now)
        assert found.fails
        assert set(found.broken) == {f"clip-{n}" for n in hit}
        assert found.why.startswith("broken: clip-")


def test_a_collapsed_clip_is_found_among_clips_that_all_changed() -> None:
    """Another checkpoint moves every clip by 0.1; one of 60 collapses by 2.5 MOS."""
    rng = np.random.default_rng(0)
    before = rng.normal(3.2, 0.3, 60)
    now = before + rng.normal(0, 0.1, 60)
    assert not one_value(before, now).fails
    now[7] -= 2.5
    assert one_value(before, now).broken == ("clip-7",)


def test_rates_and_values_without_a_margin_are_not_judged_clip_by_clip() -> None:
    rate = Value(name="wer@x@mean", label="WER", unit="%", direction="lower")
    assert not judged_by_clip(rate, 0.5)
    assert not judged_by_clip(rate.model_copy(update={"unit": "MOS"}), 0.0)
    assert judged_by_clip(rate.model_copy(update={"unit": "MOS"}), 0.05)


def test_few_changed_clips_are_not_called_chance() -> None:
    before = np.full(24, 3.0)
    now = before.copy()
    now[:3] -= 0.45
    found = one_value(before, now)
    assert not found.fails
    assert found.why == "worse by 0.0562, but only 3 of 24 clips changed: too few to test"


def test_a_tenth_of_a_mos_is_found_with_a_hundred_clips() -> None:
    """The size that the README recommends for quality."""
    assert passing(100, quality=0.1) <= 0.05


def test_one_percent_of_wer_is_found_with_a_thousand_clips() -> None:
    """The size that the README recommends for word error rates."""
    assert passing(1000, wer=1.0) <= 0.05


def test_certain_but_tiny_differences_pass() -> None:
    """Below the margin, on so many clips that nobody doubts them."""
    measured, baseline = simulated(0, 4000, quality=0.03)
    verdict = judge(measured, baseline, "new")
    assert verdict.passes
    assert "significantly worse, but within the margin" in {one.why for one in verdict.judged}


def test_a_value_that_is_lost_fails() -> None:
    measured, baseline = simulated(0, 30)
    measured[0].sample.numerator[0, 3] = np.nan
    [failed] = [one for one in judge(measured, baseline, "new").judged if one.fails]
    assert failed.why == "fewer values than the baseline for 3"
    assert failed.clips == 29


def test_a_seed_that_is_lost_fails() -> None:
    """A generative system that crashes on one of its seeds is worse than it was."""
    measured, baseline = simulated(0, 30)
    baseline.clips["c"]["wer@pocketsphinx"]["5"] = (*baseline.clips["c"]["wer@pocketsphinx"]["5"][:2], 3)
    [failed] = [one for one in judge(measured, baseline, "new").judged if one.fails]
    assert (failed.value, failed.lost) == ("wer@pocketsphinx", ("5",))


def test_a_value_that_is_lost_everywhere_fails_with_its_reason() -> None:
    measured, baseline = simulated(0, 30)
    whys = {("c", "dnsmos.sig", str(clip)): "the model said NaN" for clip in range(30)}
    [failed] = [one for one in judge(measured[1:], baseline, "new", whys=whys).judged if one.fails]
    assert failed.why == "fewer values than the baseline for 0, 1, 2 and 27 more: the model said NaN"


def test_speakers_do_not_weaken_a_gate() -> None:
    """Eight speakers in a thousand clips: a flip of whole speakers could find next to nothing among seven values."""
    found = []
    for seed in range(50):
        measured, baseline = simulated(seed, 1000, wer=1.0)
        voices = [
            replace(one, sample=replace(one.sample, cluster=np.arange(1000) % 8), grouped="speaker") for one in measured
        ]
        found.append(judge(voices, baseline, "new", DRAWS).passes)
    assert np.mean(found) <= 0.05


def test_the_system_that_is_judged_is_the_one_that_was_named() -> None:
    both = ("net@old.ckpt", "net@new.ckpt", "other")
    assert named_system(both, "net@new.ckpt") == "net@new.ckpt"
    assert named_system(["net@new.ckpt", "other"], "net") == "net@new.ckpt"
    assert successor(["net@new.ckpt", "other"], "net@old.ckpt") == "net@new.ckpt"
    for known, wanted in ((both, "net"), (["net@old.ckpt"], "net@new.ckpt"), (both, "nothing")):
        with pytest.raises(RequestError, match="name one of them with --system"):
            named_system(known, wanted)
    with pytest.raises(RequestError, match=r"the store has net@old\.ckpt, net@new\.ckpt, other, the baseline is"):
        successor(both, "net@old.ckpt")


def test_too_few_clips_cannot_be_judged() -> None:
    """A gate that could never fail must not pass."""
    measured, baseline = simulated(0, 6, quality=3.0)
    with pytest.raises(RequestError, match=r"cannot judge: 6 clips can never .* among 5 values; wanted 7 or more"):
        judge(measured, baseline, "new")
    assert not judge(*simulated(0, 7, quality=3.0), "new").passes


def test_too_many_values_cannot_be_judged() -> None:
    """Drawn sign patterns cannot give a p so small that it survives the correction."""
    require_power([30] * 1000)
    with pytest.raises(RequestError, match="1001 values are too many to correct for"):
        require_power([30] * 1001)


@pytest.fixture(scope="module")
def measured_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = make_plan(load_suite("demo"), ["unprocessed", "target"], ["lsd", "stoi"])
    return execute(plan, tmp_path_factory.mktemp("gate") / "s", workers=1).root


@pytest.fixture
def store(measured_store: Path, tmp_path: Path) -> Path:
    shutil.copytree(measured_store, tmp_path / "s")
    return tmp_path / "s"


def made(cli: Cli, system: str = "target") -> None:
    done = cli("gate", "s", "--baseline", "b.json", "--update-baseline", "--reason", "first", "--system", system)
    assert done.returncode == 0, done.stderr


def test_the_command_passes_fails_and_refuses(cli: Cli, store: Path, tmp_path: Path) -> None:
    assert cli("gate", "s", "--baseline", "b.json").returncode == 2
    made(cli)
    same = cli("gate", "s", "--baseline", "b.json", "--junit", "j.xml", "--summary", "sum.md")
    assert same.returncode == 0, same.stderr
    assert "Gate: passes" in same.stdout
    assert ElementTree.parse(tmp_path / "j.xml").getroot().attrib["failures"] == "0"
    worse = cli(
        "gate", "s", "--baseline", "b.json", "--system", "unprocessed", "--junit", "j.xml", "--summary", "sum.md"
    )
    assert worse.returncode == 1, worse.stdout + worse.stderr
    assert "FAIL" in worse.stdout
    root = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert int(root.attrib["failures"]) > 0
    assert "worse by" in str(root.find("testcase/failure").attrib["message"])  # type: ignore[union-attr]
    summary = (tmp_path / "sum.md").read_text()
    assert "### Gate: passes" in summary
    assert "values regressed" in summary

    text = (tmp_path / "b.json").read_text()
    changed(tmp_path / "b.json", ("signatures", "lsd"), "lsd@0|another")
    refused = cli("gate", "s", "--baseline", "b.json")
    assert refused.returncode == 2
    assert "cannot judge: lsd is measured by lsd@" in refused.stderr
    assert "the baseline by lsd@0|another" in refused.stderr
    (tmp_path / "b.json").write_text(text.replace('"trials": "', '"trials": "0'))
    assert "cannot judge: the store holds demo with clips" in cli("gate", "s", "--baseline", "b.json").stderr
    (tmp_path / "b.json").write_text("{}")
    broken = cli("gate", "s", "--baseline", "b.json", "--junit", "j.xml", "--summary", "sum.md")
    assert ElementTree.parse(tmp_path / "j.xml").getroot().attrib["errors"] == "1"
    assert "### Gate: cannot judge" in (tmp_path / "sum.md").read_text()
    assert broken.returncode == 2
    assert "b.json: not a baseline: suite: Field required" in broken.stderr


def changed(path: Path, place: tuple[str, ...], value: object) -> None:
    """Sets one entry of a JSON file."""
    whole = json.loads(path.read_text())
    inner = whole
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(whole))


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("signatures",), {}, "dnsmos.bak has no signature"),
        (("margins",), {"wer@pocketsphinx": 1.0}, "dnsmos.bak has no margin"),
        (("margins", "wer@pocketsphinx"), float("nan"), "margins.wer@pocketsphinx: Input should be a finite number"),
        (("margins", "wer@pocketsphinx"), -1.0, "greater than or equal to 0"),
        (("clips", "c", "dnsmos.ovl", "1"), (float("nan"), 1.0, 1), "finite number"),
        (("clips", "c", "dnsmos.ovl", "1"), (3.0, -1.0, 1), "greater than 0"),
        (("clips", "c", "dnsmos.ovl", "1"), (3.0, float("nan"), 1), "finite number"),
        (("clips", "c", "dnsmos.ovl", "1"), (3.0, 1.0, 0), "greater than or equal to 1"),
        (("clips",), {}, "clips: Dictionary should have at least 1 item"),
        (("clips", "c", "wer@pocketsphinx"), {}, "at least 1 item"),
    ],
)
def test_a_file_that_guards_nothing_is_none(tmp_path: Path, place: tuple[str, ...], value: object, says: str) -> None:
    _, baseline = simulated(0, 30)
    path = tmp_path / "b.json"
    write_baseline(path, baseline)
    assert read_baseline(path) == baseline
    changed(path, place, value)
    with pytest.raises(RequestError, match=f"b.json: not a baseline: .*{says}"):
        read_baseline(path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"[]", b"{}"])
def test_files_of_another_kind_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.json").write_bytes(content)
    with pytest.raises(RequestError, match=r"b\.json: not a baseline"):
        read_baseline(tmp_path / "b.json")


def test_an_interrupted_run_is_not_judged(cli: Cli, store: Path, tmp_path: Path) -> None:
    made(cli)
    next((store / "scores").iterdir()).unlink()
    done = cli("gate", "s", "--baseline", "b.json")
    assert done.returncode == 2
    assert "are not measured yet; run the suite again" in done.stderr


def test_a_new_file_never_guards_less_in_silence(cli: Cli, store: Path, tmp_path: Path) -> None:
    made(cli)
    path = tmp_path / "b.json"

    def update(*more: str) -> dict[str, float]:
        command = ["gate", str(store), "--baseline", str(path), "--update-baseline", "--reason", "r", *more]
        app(command, standalone_mode=False)
        margins: dict[str, float] = json.loads(path.read_text())["margins"]
        return margins

    with pytest.raises(RequestError, match="not guarded: lsd on voicefixer; if that is meant, add --allow-less"):
        update("--value", "stoi")
    assert update("--value", "stoi", "--allow-less") == {"stoi": 0.01}
    assert update() == {"stoi": 0.01}, "it stays as it was"
    for wrong, says in (
        (("--value", "pesq"), "value pesq: not measured here; there is lsd, stoi"),
        (("--condition", "x"), "condition x: not measured here; there is voicefixer"),
        (("--margin", "dnsmos.ovll=0.1"), "--margin dnsmos.ovll: not among the guarded values: stoi"),
        (("--reason", " "), "needs --reason TEXT"),
        (("--margin", "stoi=inf"), "a finite number"),
    ):
        with pytest.raises(RequestError, match=says):
            update(*wrong)


def test_a_store_too_small_to_guard_makes_no_file(cli: Cli, tmp_path: Path) -> None:
    execute(make_plan(load_suite("demo"), ["unprocessed"], ["lsd", "stoi"], limit=3), tmp_path / "small", workers=1)
    update = ("--baseline", "b.json", "--update-baseline", "--reason", "r", "--system", "unprocessed")
    done = cli("gate", "small", *update)
    assert done.returncode == 2
    assert "3 clips can never show a regression among 2 values; wanted 6 or more" in done.stderr
    assert not (tmp_path / "b.json").exists()


def test_a_baseline_changes_only_with_a_reason(cli: Cli, store: Path, tmp_path: Path) -> None:
    unreasoned = cli("gate", "s", "--baseline", "b.json", "--update-baseline", "--system", "unprocessed")
    assert unreasoned.returncode == 2
    assert "--update-baseline needs --reason TEXT" in unreasoned.stderr
    made(cli)
    again = cli(
        "gate", "s", "--baseline", "b.json", "--update-baseline", "--reason", "tighter", "--margin", "lsd=0.001"
    )
    assert again.returncode == 0, again.stderr
    kept = json.loads((tmp_path / "b.json").read_text())
    assert (kept["reason"], kept["margins"]["lsd"], kept["system"]) == ("tighter", 0.001, "target")
    assert cli("gate", "s", "--baseline", "b.json", "--margin", "lsd=9").returncode == 2
    for wrong in ("lsd", "lsd=-1", "=1", "lsd=x"):
        with pytest.raises(RequestError, match=f"--margin {wrong}: wanted VALUE=NUMBER"):
            margins_of([wrong])


PLUGIN = """
def test_no_regression(restorebench_gate):
    restorebench_gate("s", "b.json")

def test_regression(restorebench_gate):
    restorebench_gate("s", "b.json", system="unprocessed")
"""


def test_the_pytest_fixture(cli: Cli, store: Path, tmp_path: Path) -> None:
    """In a pytest of its own, as a user's."""
    made(cli)
    (tmp_path / "test_checkpoint.py").write_text(PLUGIN)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "test_checkpoint.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "worse by" in done.stdout


def test_what_failed_everywhere_is_not_left_unguarded_in_silence(
    cli: Cli, tmp_path: Path, toy_plugin: dict[str, str]
) -> None:
    systems = ("--systems", "toy-raises,toy-moody", "--metrics", "lsd,si_sdr")
    assert cli("run", "demo", "--store", "s", *systems, env=toy_plugin).returncode == 0
    update = ("gate", "s", "--baseline", "b.json", "--update-baseline", "--reason", "r", "--system")
    nothing = cli(*update, "toy-raises", env=toy_plugin)
    assert nothing.returncode == 2
    assert "toy-raises has nothing to guard: lsd on voicefixer: " in nothing.stderr
    assert not (tmp_path / "b.json").exists()
