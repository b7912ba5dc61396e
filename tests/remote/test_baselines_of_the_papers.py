"""Baselines of both papers through their owners' packages: true classes with random weights in the official format.

Random weights restore nothing; the tests check loading, lengths, batches, stored scores and refused checkpoints.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from restorebench.benchmark.audio import resample
from restorebench.benchmark.data import weights
from restorebench.benchmark.data.weight_catalogue import CATALOGUE
from restorebench.benchmark.errors import AudioError
from restorebench.benchmark.isolation import environments
from restorebench.benchmark.isolation.environments import Environment
from restorebench.benchmark.registry import create
from restorebench.benchmark.types import Audio
from restorebench.systems.baselines.isolated import IsolatedSystem
from tests.conftest import Cli

pytestmark = pytest.mark.environments
NAMES = [
    "demucs-dns64",
    "dccrn-libri1mix",
    "dpdfnet8",
    "frcrn",
    "mossformer2",
    "mossformergan",
    "sgmse-vbdmd",
    "storm",
    "voicefixer",
]
SCRIPT = Path(__file__).with_name("make_baselines.py")


def with_one_step(name: str) -> str:
    """The name, with one diffusion step for a diffusion model: all steps take a minute per second of audio."""
    return f"{name}?steps=1" if name in ("sgmse-vbdmd", "storm") else name


@pytest.fixture(scope="module", params=NAMES)
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IsolatedSystem]:
    """The system, with random weights in a mirror folder in place of the official weights."""
    created: IsolatedSystem = create("systems", with_one_step(request.param))
    mirror = tmp_path_factory.mktemp("mirror")
    folder = (mirror / CATALOGUE[created.card.weights[0]].path).parent
    python = environments.require(Environment(created.card.environment))
    subprocess.run([str(python), "-I", str(SCRIPT), request.param, str(folder)], check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESTOREBENCH_WEIGHTS", str(mirror))
        patch.setenv("RESTOREBENCH_OFFLINE", "1")
        yield created
        created.remote().close()


@pytest.fixture
def clip(system: IsolatedSystem, speech: Audio) -> Audio:
    assert system.card.rate
    return Audio(resample(speech.samples, speech.rate, system.card.rate), system.card.rate)


@pytest.mark.parametrize("samples", [8_000, 441 * 40 - 1, 441 * 40, 33_333])
def test_length_is_kept(system: IsolatedSystem, clip: Audio, samples: int) -> None:
    """For lengths of 441 k - 1 samples, VoiceFixer's package by itself returns nothing."""
    [restored] = system.restore([Audio(clip.samples[:samples], clip.rate)], [0])
    assert len(restored.samples) == samples
    assert np.isfinite(restored.samples).all()
    assert np.abs(restored.samples).max() > 0


def test_clips_of_a_batch_do_not_affect_each_other(system: IsolatedSystem, clip: Audio) -> None:
    other = Audio(0.1 * clip.samples[::-1][: len(clip.samples) // 2].copy(), clip.rate)
    together = system.restore([clip, other], [0, 1])
    alone = [system.restore([audio], [seed])[0] for seed, audio in enumerate((clip, other))]
    for in_batch, single in zip(together, alone, strict=True):
        assert np.array_equal(in_batch.samples, single.samples)


def test_a_run_stores_its_scores(system: IsolatedSystem, cli: Cli, tmp_path: Path) -> None:
    name = with_one_step(system.card.name)
    done = cli("run", "demo", "--systems", name, "--metrics", "lsd", "--limit", "1", "--store", "s")
    assert done.returncode == 0, done.stderr
    assert f",{name},0,lsd," in (tmp_path / "s" / "records.csv").read_text()


HALF = """
import sys, torch
stored = torch.load(sys.argv[1], weights_only=True)
table = next((stored[name] for name in ("model", "generator") if name in stored), stored)
for name in list(table)[::2]:
    del table[name]
torch.save(stored, sys.argv[2])
"""


@pytest.mark.parametrize(
    ("system", "damaged"),
    [("frcrn", "frcrn"), ("voicefixer", "voicefixer-analysis"), ("voicefixer", "voicefixer-vocoder")],
    indirect=["system"],
)
def test_a_checkpoint_that_lacks_weights_is_refused(
    system: IsolatedSystem, damaged: str, clip: Audio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packages load the weights that fit, and silently leave the others random."""
    python = environments.require(Environment(system.card.environment))
    for name in system.card.weights:
        path = tmp_path / CATALOGUE[name].path
        path.parent.mkdir(exist_ok=True)
        if name == damaged:
            subprocess.run([str(python), "-c", HALF, str(weights.fetch(name)), str(path)], check=True)
        else:
            path.symlink_to(weights.fetch(name).resolve())
    monkeypatch.setenv("RESTOREBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(AudioError, match=r"lacks .* weights"):
        system.restore([clip], [0])
    system.remote().close()


AUTHORS_STORM = {
    "ald": [-1.3515196, 4.8801942, 3.6909676, 7.3846040, 1.4675841],
    "none": [-1.5884151, 4.8372855, 3.4020712, 2.4040933, 0.3875131],
}
"""Output samples of sp-uhh/storm @257e963 (StochasticRegenerationModel.enhance) for the case of `run_storm.py`."""


def test_storm_equals_the_authors_program() -> None:
    """No package has StoRM; so our networks and our sampler are compared with outputs of the authors' program."""
    environment = Environment(create("systems", "storm").card.environment)
    command = [str(environments.require(environment)), "-I", str(SCRIPT.with_name("run_storm.py"))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    printed = json.loads(done.stdout.splitlines()[-1])
    for corrector, samples in AUTHORS_STORM.items():
        assert printed[corrector] == pytest.approx(samples, abs=1e-4)
