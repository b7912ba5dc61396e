"""SISE checkpoints and configs that do not fit: one clear line, and no output is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("dac", reason="needs the extra `dac`")

from restorebench.benchmark.audio import write_float  # noqa: E402
from restorebench.benchmark.errors import RequestError  # noqa: E402
from restorebench.benchmark.types import Audio  # noqa: E402
from restorebench.systems.training import checkpoint  # noqa: E402
from restorebench.systems.training.config import merged  # noqa: E402
from tests.conftest import Cli  # noqa: E402
from tests.tiny import SISE, SISE_CODEC_RUN, quietly, random_checkpoint, random_sise, refused, write_toml  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path, speech: Audio) -> Path:
    write_float(tmp_path / "in.wav", speech)
    random_sise(tmp_path / "tiny.safetensors")
    return tmp_path


def saved(folder: Path, **changes: Any) -> str:
    """Writes a copy of the checkpoint with changed config tables and tensors (`tensors`); None removes an entry."""
    original = checkpoint.read(folder / "tiny.safetensors", "sise")
    tensors = {**original.tensors, **changes.pop("tensors", {})}
    tensors = {key: value for key, value in tensors.items() if value is not None}
    config = {**original.config, **changes}
    config = {key: value for key, value in config.items() if value is not None}
    checkpoint.save(folder / "changed.safetensors", replace(original, tensors=tensors, config=config))
    return "changed.safetensors"


def test_valid_checkpoints_restore(cli: Cli, folder: Path, speech: Audio) -> None:
    from restorebench.benchmark.audio import read

    for system, file in (("sise", "tiny.safetensors"), ("sise-wo-dis", "flat.safetensors")):
        random_sise(folder / "flat.safetensors", semantic=False)
        done = cli("restore", "in.wav", "out.wav", "--system", system, "--checkpoint", file)
        assert done.returncode == 0, done.stderr
        assert len(read(folder / "out.wav").samples) == len(speech.samples)


def test_other_variants_are_refused(folder: Path) -> None:
    refused(
        folder, "sise-wo-dis", "tiny.safetensors", "with a semantic layer; sise-wo-dis is the other variant of SISE"
    )
    refused(folder, "sise-nano", "tiny.safetensors", "another variant than sise-nano", "width = 32 (wanted 160)")
    random_checkpoint(folder / "masksr.safetensors")
    refused(folder, "sise", "masksr.safetensors", "kind 'masksr'", "'sise'")


def test_another_rate_is_refused(folder: Path) -> None:
    refused(folder, "sise", saved(folder, rate=24_000), "24000 Hz", "16000 Hz")


@pytest.mark.parametrize("table", ["model", "codec", "sampling", "rate"])
def test_headers_of_other_versions_are_refused(folder: Path, table: str) -> None:
    refused(folder, "sise", saved(folder, **{table: None}), f"its config lacks {table}")
    if table != "rate":
        original = checkpoint.read(folder / "tiny.safetensors", "sise").config[table]
        file = saved(folder, **{table: {**original, "new": 1}})
        refused(folder, "sise", file, f"{table}: new: Extra inputs")


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"model.condition": None, "model.first.layer.weight": None}, "1 missing, 0 unknown"),
        ({"model.new": torch.zeros(2)}, "0 missing, 1 unknown"),
        ({"codec.semantic.stages.0.usage": torch.zeros(3)}, "1 of another shape (e.g. semantic.stages.0.usage)"),
        ({"model.first.layer.weight": torch.full((1, 32), torch.nan)}, "1 tensors hold NaN or infinity"),
    ],
    ids=["missing", "unknown", "shape", "nan"],
)
def test_weights_that_do_not_fit_are_refused(folder: Path, tensors: dict[str, Any], words: str) -> None:
    refused(folder, "sise", saved(folder, tensors=tensors), words)


def test_a_truncated_file_is_refused(folder: Path) -> None:
    content = (folder / "tiny.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(content[:-100])
    refused(folder, "sise", "cut.safetensors", "not a whole safetensors file")


def test_a_missing_checkpoint_and_a_missing_codec_name_the_command_that_trains_them(cli: Cli, folder: Path) -> None:
    done = cli("restore", "in.wav", "out.wav", "--system", "sise")
    assert done.returncode == 2
    assert "no public weights; train it (restorebench train paper/sise)" in done.stderr
    done = cli("train", "nano/sise", "--out", "run")
    assert done.returncode == 2
    assert "train one first: restorebench train nano/sise-codec or restorebench train paper/sise-codec" in done.stderr


@pytest.mark.parametrize(
    ("base", "tables", "words"),
    [
        (SISE, {"sampling": {"acoustic_steps": [3]}}, "steps for 2 token layers, the codec has 3"),
        (SISE, {"model": {"seconds": 3.0}}, "crops and inference windows have one length"),
        (SISE, {"tokenizer": {"checkpoint": "x"}}, "tokenizer: wanted one of checkpoint, random"),
        (SISE, {"tokenizer": {"random": {"codebook_dim": 0}}}, "codebook_dim: Input should be greater than"),
        (SISE, {"model": {"heads": 3}}, "width 32 is not a multiple of 2 x 3 heads"),
        (SISE_CODEC_RUN, {"model": {"encoder_rates": [2, 2]}}, "they must agree"),
        (SISE_CODEC_RUN, {"labels": {"source": "textgrid"}}, "needs a folder in textgrids; other sources take none"),
        (SISE_CODEC_RUN, {"labels": {"source": "textgrid", "textgrids": "nowhere"}}, "nowhere: no such folder"),
    ],
)
def test_configs_that_cannot_be_run_are_refused(
    tmp_path: Path, base: dict[str, Any], tables: dict[str, Any], words: str
) -> None:
    from restorebench.systems.training.loop import train

    config = write_toml(tmp_path / "bad.toml", merged(base, tables))
    with pytest.raises(RequestError) as caught:
        train(config, tmp_path / "run", False, None, quietly)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "model.safetensors").exists()
