"""Baselines that run in environments with their authors' packages: checks before an environment is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from restorebench.benchmark import registry
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.keys import system_identity
from restorebench.benchmark.types import Trial, Utterance
from restorebench.systems.baselines.isolated import IsolatedSystem
from tests.conftest import Cli

NAMES = [
    name for name in registry.targets_by_name("systems") if isinstance(registry.find("systems", name), IsolatedSystem)
]


@pytest.mark.parametrize("name", NAMES)
def test_absent_weights_are_refused_with_the_fetch_command(
    name: str, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RESTOREBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = cli("run", "demo", "--systems", name, "--metrics", "lsd", "--limit", "1", "--store", "s")
    assert done.returncode == 2
    assert "run: restorebench data fetch" in done.stderr


def test_no_other_checkpoint_can_be_named() -> None:
    with pytest.raises(RequestError, match="system voicefixer@FILE: takes no checkpoint; it takes options; see"):
        registry.create("systems", "voicefixer@FILE")


def test_a_new_environment_is_a_new_identity() -> None:
    """Other versions of the packages may give other sound, so results of the old versions must not be reused."""
    system = registry.create("systems", "frcrn")
    trial = Trial("demo", "voicefixer", Utterance("a", None), None, "")
    before = system_identity(system, trial)
    changed = system.card.model_copy(update={"environment": (*system.card.environment, "numpy==1.26.3")})
    after = system_identity(IsolatedSystem(changed, system.script, system.weights, system.settings), trial)
    assert "clearvoice==0.1.2+lock=" in before
    assert before != after


def test_sampling_options_are_part_of_the_identity_and_reach_the_worker() -> None:
    """Diffusion with 10 steps is another system than diffusion with 30; unknown options are refused."""
    default, short = registry.create("systems", "sgmse-vbdmd"), registry.create("systems", "sgmse-vbdmd?steps=10")
    assert dict(default.settings)["steps"] == "30"
    assert dict(short.settings)["steps"] == "10"
    assert {"steps=30", "corrector=ald", "snr=0.5"} <= set(default.card.identity.split())
    assert "steps=10" in short.card.identity
    for invalid_name in ("sgmse-vbdmd?steps=0", "sgmse-vbdmd?corrector=langevin", "storm?stpes=3", "frcrn?steps=1"):
        with pytest.raises(RequestError, match="wanted"):
            registry.create("systems", invalid_name)


def test_a_system_of_another_program_says_how_to_run_it(cli: Cli) -> None:
    done = cli("run", "demo", "--systems", "sidon", "--metrics", "lsd", "--limit", "1", "--store", "s")
    assert done.returncode == 2
    assert "huggingface.co/sarulab-speech/sidon-v0.1" in done.stderr
    assert "published:sidon@FOLDER" in done.stderr
