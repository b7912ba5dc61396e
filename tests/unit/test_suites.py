"""Every bundled suite is well formed and names existing components; an absent corpus says what it needs."""

import os
import re
import tomllib
from pathlib import Path

import pytest
import soundfile

from restorebench.benchmark import registry, suite
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.planner import make_plan, trials_of
from restorebench.reports.papers.published import cells, papers
from tests.conftest import ROOT, Cli

NAMES = list(suite.known())


@pytest.mark.parametrize("name", NAMES)
def test_a_suite_names_only_existing_components(name: str) -> None:
    definition = suite.load_suite(name)
    assert definition.name == name
    assert definition.corpus.needs
    for system in definition.systems:
        registry.find("systems", system)
    for metric in (*definition.metrics, *definition.paper_metrics):
        registry.find("metrics", metric)
    for condition in definition.condition:
        registry.find("corruptions", condition.corruption)
    for published_set in definition.paper.values():
        assert published_set.paper in papers()
        assert published_set.test_set in {cell.test_set for cell in cells() if cell.paper == published_set.paper}


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith("demo")])
def test_an_absent_corpus_says_what_it_needs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTOREBENCH_DATA", os.devnull)
    with pytest.raises(RequestError, match="/dev/null"):
        list(trials_of(suite.load_suite(name), None))


def test_every_published_table_has_a_suite_of_its_name() -> None:
    """The only exception is Table II of MaskSR2, a listening test."""
    roman = {"I": "1", "II": "2", "III": "3", "IV": "4", "V": "5"}
    tables = {(cell.paper, cell.table, cell.test_set) for cell in cells()}
    suite_of_table = {}
    for name in NAMES:
        for published_set in suite.load_suite(name).paper.values():
            if f"{published_set.paper}-table{roman.get(published_set.table, published_set.table)}" in name:
                suite_of_table[published_set.paper, published_set.table, published_set.test_set] = name
    assert tables - set(suite_of_table) == {("masksr2", "II", "vctk-full-band-listening")}
    assert set(suite_of_table) <= tables


def test_demo_distortions_is_every_distortion_at_three_severities() -> None:
    conditions = suite.load_suite("demo-distortions").condition
    assert len(conditions) == 18
    for factor in {c.factor for c in conditions}:
        assert len({c.severity for c in conditions if c.factor == factor}) == 3
    trials = list(trials_of(suite.load_suite("demo-distortions"), None))
    assert len(trials) == 18 * 40
    assert len({trial.key for trial in trials}) == 18 * 40


def test_a_recorded_set_takes_no_condition(tmp_path: Path) -> None:
    (tmp_path / "noisy").mkdir()
    soundfile.write(tmp_path / "noisy" / "a_fileid_1.wav", [0.1] * 100, 16_000)
    recorded = suite.Suite.model_validate(
        {
            "name": "x", "version": 1, "summary": "x", "metrics": ["dnsmos"], "systems": ["unprocessed"],
            "corpus": {"reader": "dns", "options": {"root": str(tmp_path), "clean": ""}},
            "condition": [{"name": "c", "corruption": "level"}],
        }
    )  # fmt: skip
    with pytest.raises(RequestError, match="is degraded already, so condition c cannot degrade it"):
        list(trials_of(recorded, None))


def test_a_plan_keeps_its_job_keys_through_json() -> None:
    plan = make_plan(suite.load_suite("demo"), ["unprocessed", "spectral-gate"], ["si_sdr"])
    again = type(plan).from_json(plan.to_json())
    assert [job.key for job in again.jobs] == [job.key for job in plan.jobs]


def test_value_names_stand_for_their_metric() -> None:
    plan = make_plan(suite.load_suite("demo"), ["target"], ["dnsmos.ovl", "wer@pocketsphinx@mean", "dnsmos"])
    assert plan.metrics == ("dnsmos", "wer@pocketsphinx")


def test_the_paper_profile_uses_the_scorers_of_the_papers(cli: Cli, material: Path) -> None:
    """A scorer without its weights is left out, and a message names the command that fetches them."""
    done = cli("plan", "published-masksr", "--profile", "paper", "--systems", "unprocessed")
    assert done.returncode == 0, done.stderr
    assert "without spk_sim@wespeaker: its weights are not here; run: restorebench data fetch" in done.stderr
    absent = cli("plan", "demo", "--profile", "paper")
    assert absent.returncode == 2
    assert "demo has no metrics of the profile paper" in absent.stderr


def test_a_suite_that_claims_a_published_set_says_how_many_clips_it_has() -> None:
    """Otherwise a part of the set would count as the whole set. SISE's paper gives no counts."""
    for name in suite.known():
        for published_set in suite.load_suite(name).paper.values():
            assert published_set.differs or published_set.clips or published_set.paper == "sise", name


def test_the_demo_extra_installs_what_the_demo_runs() -> None:
    """On a fresh machine a row whose package is missing would be left out, and `make demo` would still succeed."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]

    def names(extra: str) -> set[str]:
        packages: set[str] = set()
        for requirement in extras[extra]:
            if nested_extras := re.fullmatch(r"restorebench\[(.*)\]", requirement):
                packages |= set().union(*(names(part) for part in nested_extras[1].split(",")))
            else:
                packages.add(re.split(r"[\s<>=!\[]", requirement)[0])
        return packages

    demo = suite.load_suite("demo")
    wanted = {package for name in demo.systems for package in registry.card("systems", name).packages}
    assert wanted <= names("demo")
