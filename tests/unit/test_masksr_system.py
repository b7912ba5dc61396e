"""MaskSR as a system in a suite and on long files, and its codec alone as the anchor `target-codec`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from restorebench.benchmark import registry  # noqa: E402
from restorebench.benchmark.components import system_of, why_not  # noqa: E402
from restorebench.benchmark.errors import RequestError  # noqa: E402
from restorebench.benchmark.plan.keys import system_identity  # noqa: E402
from restorebench.benchmark.types import Audio, Pair, Trial, Utterance  # noqa: E402
from restorebench.systems.masksr.rows import Variant, masksr  # noqa: E402
from restorebench.systems.training.config import known, load_config  # noqa: E402
from tests.conftest import ROOT, Cli  # noqa: E402
from tests.tiny import FRAME_CODEC, random_checkpoint, random_sise, run_config, trained  # noqa: E402

ROWS = [name for name in registry.targets_by_name("systems") if isinstance(registry.find("systems", name), Variant)]


CLIP = Trial("s", "c", Utterance(id="x", uri="x.wav"), None, "key")


def test_every_paper_config_has_a_row_and_every_row_a_config() -> None:
    paper = {name.removeprefix("paper/") for name in known() if name.startswith("paper/masksr")}
    assert paper <= set(ROWS)
    assert len(paper) == 13
    for row in set(ROWS) - {"masksr"}:
        variant = registry.find("systems", row)
        assert load_config(variant.config).kind == "masksr"
        wanted = "" if variant.shipped else f"no public weights exist; name a checkpoint: {row}@FILE"
        assert why_not("systems", row) == wanted


def test_a_checkpoint_is_a_row_of_a_suite(cli: Cli, tmp_path: Path) -> None:
    """A checkpoint restores two clips of the demo; a second run restores nothing again."""
    random_checkpoint(tmp_path / "tiny.safetensors")
    command = ["run", "demo", "--systems", "unprocessed,masksr@tiny.safetensors", "--metrics", "lsd,rtf"]
    command += ["--limit", "2", "--store", "store"]
    done = cli(*command)
    assert done.returncode == 0, done.stderr
    records = pd.read_csv(tmp_path / "store" / "records.csv", keep_default_na=False)
    rows = records[(records["system"] == "masksr@tiny.safetensors") & (records["metric"] == "lsd")]
    assert len(rows) == 2
    assert (rows["why"] == "").all()
    assert "restore: 2/2" not in cli(*command).stderr


def test_the_checkpoint_is_part_of_the_identity(tmp_path: Path) -> None:
    first = masksr(checkpoint=random_checkpoint(tmp_path / "a.safetensors"))
    other = random_checkpoint(tmp_path / "b.safetensors", {"width": 16, "heads": 2, "window": 1280, "seconds": 0.5})
    assert system_identity(first, CLIP) != system_identity(masksr(checkpoint=other), CLIP)


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from restorebench.benchmark.types import Audio
from restorebench.systems.masksr.rows import masksr
system = masksr(checkpoint=Path(sys.argv[1]))
def restore(seconds):
    clip = Audio(np.random.default_rng(0).normal(scale=0.1, size=seconds * 16_000).astype(np.float32), 16_000)
    [restored] = system.restore([clip], [0])
    assert len(restored.samples) == len(clip.samples)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(restore(40), restore(300))
"""


def test_a_long_file_needs_memory_only_for_its_samples(tmp_path: Path) -> None:
    """The limit is three arrays of samples (300 s at 16 kHz take 18.3 MiB) and 20 MiB for all else."""
    path = random_checkpoint(tmp_path / "tiny.safetensors")
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, path], check=True, capture_output=True, text=True, timeout=300, cwd=ROOT
    )
    short, long = map(float, done.stdout.split())
    assert long - short < 3 * 18.3 + 20


def test_target_codec_is_the_codec_alone(tmp_path: Path, speech: Audio) -> None:
    from restorebench.systems.tokenizers.choose import load_frame_codec

    path = trained(tmp_path / "codec", run_config(FRAME_CODEC))
    anchor = system_of(f"target-codec@{path}")
    pair = Pair(reference=speech, degraded=Audio(np.zeros_like(speech.samples), speech.rate))
    supplied = anchor.supply(CLIP, pair)  # type: ignore[union-attr]
    codec = load_frame_codec(path)
    with torch.inference_mode():
        wanted = codec.decode(codec.encode(torch.from_numpy(speech.samples)[None]))[0, : len(speech.samples)]
    assert np.array_equal(supplied.samples, wanted.numpy())
    assert anchor.card.kind == "anchor"
    full = Audio(np.repeat(speech.samples, 3), 48_000)
    again = anchor.supply(CLIP, Pair(full, full))  # type: ignore[union-attr]
    assert (len(again.samples), again.rate) == (len(full.samples), 48_000)


def test_target_dac_needs_its_weights() -> None:
    assert "restorebench data fetch dac-44khz" in why_not("systems", "target-codec")


def test_sampling_options_are_given_in_the_name(tmp_path: Path, speech: Audio) -> None:
    """Such options let a user choose the guidance on a development set, as the paper does."""
    path = random_checkpoint(tmp_path / "a.safetensors")
    plain, weak = system_of(f"masksr@{path}"), system_of(f"masksr@{path}?guidance=0&iterations=2")
    assert (weak.sampling.guidance, weak.sampling.iterations) == (0.0, 2)  # type: ignore[union-attr]
    assert plain.sampling.iterations == 4  # type: ignore[union-attr]
    assert system_identity(plain, CLIP) != system_identity(weak, CLIP)
    sise = system_of(f"sise@{random_sise(tmp_path / 's.safetensors')}?acoustic_steps=2+1&top_k=3")
    assert (sise.sampling.acoustic_steps, sise.sampling.top_k) == ((2, 1), 3)  # type: ignore[union-attr]
    with pytest.raises(RequestError, match=r"sampling.*guidence"):
        system_of(f"masksr@{path}?guidence=1")
    nano = system_of("masksr2-nano?iterations=3")
    assert nano.sampling.iterations == 3  # type: ignore[union-attr]
