"""Checkpoints that do not fit the system: one clear line, exit code 2, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from restorebench.benchmark import registry  # noqa: E402
from restorebench.benchmark.audio import write_float  # noqa: E402
from restorebench.benchmark.errors import RequestError  # noqa: E402
from restorebench.benchmark.types import Audio  # noqa: E402
from restorebench.systems.training import checkpoint  # noqa: E402
from tests.conftest import Cli  # noqa: E402
from tests.tiny import CODEC, merged, random_checkpoint, refused  # noqa: E402

NANO = {"width": 192, "heads": 6, "mlp": 2, "encoder_blocks": 3, "generator_blocks": 5, "window": 1280,
        "distillation": "whisper-base-k500"}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, speech: Audio) -> Path:
    write_float(tmp_path / "in.wav", speech)
    random_checkpoint(tmp_path / "tiny.safetensors")
    return tmp_path


def changed(folder: Path, name: str, change: Callable[[checkpoint.Checkpoint], checkpoint.Checkpoint]) -> str:
    original = checkpoint.read(folder / "tiny.safetensors", "masksr")
    checkpoint.save(folder / name, change(original))
    return name


def test_a_valid_checkpoint_restores(cli: Cli, folder: Path, speech: Audio) -> None:
    from restorebench.benchmark.audio import read

    done = cli("restore", "in.wav", "out.wav", "--system", "masksr", "--checkpoint", "tiny.safetensors")
    assert done.returncode == 0, done.stderr
    assert len(read(folder / "out.wav").samples) == len(speech.samples)


def test_another_variant_is_refused(folder: Path) -> None:
    refused(folder, "masksr2-nano", "tiny.safetensors", "another variant than masksr2-nano", "width = 32 (wanted 192)")
    random_checkpoint(folder / "plain.safetensors", NANO | {"distillation": "none"})
    refused(folder, "masksr2-nano", "plain.safetensors", "distillation = none (wanted whisper-base-k500)")
    refused(folder, "masksr2-s", "plain.safetensors", "another variant than masksr2-s")


def test_another_codec_rate_is_refused(folder: Path) -> None:
    random_checkpoint(folder / "8k.safetensors", NANO, CODEC | {"rate": 8_000, "hop": 160})
    refused(folder, "masksr2-nano", "8k.safetensors", "8000 Hz", "16000 Hz")


def test_another_tokenizer_is_refused(folder: Path) -> None:
    random_checkpoint(folder / "coarse.safetensors", NANO)
    refused(folder, "masksr2-nano", "coarse.safetensors", "its tokenizer is", "'codebooks': 3", "'codebooks': 6")


def test_headers_of_other_versions_are_refused(folder: Path) -> None:
    def unknown(table: str) -> Callable[[checkpoint.Checkpoint], checkpoint.Checkpoint]:
        return lambda original: replace(
            original, config={**original.config, table: {**original.config[table], "new": 1}}
        )

    def lacking(table: str) -> Callable[[checkpoint.Checkpoint], checkpoint.Checkpoint]:
        return lambda original: replace(original, config={k: v for k, v in original.config.items() if k != table})

    for table in ("model", "sampling"):
        refused(folder, "masksr", changed(folder, "new.safetensors", unknown(table)), f"{table}: new: Extra inputs")
    for table in ("model", "sampling", "tokenizer", "rate"):
        file = changed(folder, "lacking.safetensors", lacking(table))
        refused(folder, "masksr", file, f"its config lacks {table}")

    def codec(original: checkpoint.Checkpoint) -> checkpoint.Checkpoint:
        shape = {**original.config["tokenizer"]["frame-codec"], "new": 1}
        return replace(original, config={**original.config, "tokenizer": {"frame-codec": shape}})

    refused(folder, "masksr", changed(folder, "codec.safetensors", codec), "tokenizer: new: Extra inputs")


def test_missing_unknown_misshapen_and_nan_tensors_are_refused(folder: Path) -> None:
    def without_a_tensor(original: checkpoint.Checkpoint) -> checkpoint.Checkpoint:
        return replace(original, tensors={k: v for k, v in original.tensors.items() if k != "model.generator.null"})

    def with_an_extra_tensor(original: checkpoint.Checkpoint) -> checkpoint.Checkpoint:
        return replace(original, tensors={**original.tensors, "model.new": torch.zeros(2)})

    def misshapen(original: checkpoint.Checkpoint) -> checkpoint.Checkpoint:
        return replace(original, tensors={**original.tensors, "model.generator.null": torch.zeros(3)})

    def with_nan(original: checkpoint.Checkpoint) -> checkpoint.Checkpoint:
        return replace(original, tensors={**original.tensors, "model.generator.null": torch.full((32,), torch.nan)})

    for name, change, words in (
        ("missing", without_a_tensor, "1 missing, 0 unknown"),
        ("unknown", with_an_extra_tensor, "0 missing, 1 unknown"),
        ("shape", misshapen, "1 of another shape (e.g. generator.null)"),
        ("nan", with_nan, "1 tensors hold NaN or infinity"),
    ):
        file = changed(folder, f"{name}.safetensors", change)
        refused(folder, "masksr", file, words)


def test_broken_files_are_refused(folder: Path) -> None:
    content = (folder / "tiny.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(content[: len(content) // 2])
    (folder / "text.safetensors").write_text("not a checkpoint")
    torch.save({"a": 1}, folder / "pickle.safetensors")
    refused(folder, "masksr", "cut.safetensors", "not a whole safetensors file")
    refused(folder, "masksr", "text.safetensors", "not a whole safetensors file")
    refused(folder, "masksr", "pickle.safetensors", "not a whole safetensors file")
    refused(folder, "masksr", "nowhere.safetensors", "no such checkpoint")


def test_other_kinds_of_checkpoint_are_refused(folder: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, folder / "foreign.safetensors")
    refused(folder, "masksr", "foreign.safetensors", "format 'unknown'")
    original = checkpoint.read(folder / "tiny.safetensors", "masksr")
    checkpoint.save(folder / "codec.safetensors", replace(original, kind="frame-codec"))
    refused(folder, "masksr", "codec.safetensors", "kind 'frame-codec'", "'masksr'")
    with pytest.raises(RequestError, match="kind 'masksr', wanted 'frame-codec'"):
        registry.create("systems", f"target-codec@{folder / 'tiny.safetensors'}")


def test_a_missing_and_a_superfluous_checkpoint_are_refused(cli: Cli, folder: Path) -> None:
    done = cli("restore", "in.wav", "out.wav", "--system", "masksr2-s")
    assert done.returncode == 2
    assert "no public weights; train it (restorebench train paper/masksr2-s)" in done.stderr
    assert "masksr2-s@FILE" in done.stderr
    other = cli("restore", "in.wav", "out.wav", "--system", "gtcrn", "--checkpoint", "tiny.safetensors")
    assert other.returncode == 2
    assert len(other.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"model": {"widht": 3}}, "model: widht: Extra inputs are not permitted"),
        ({"kind": "maskrs"}, "no kind of training named 'maskrs'; did you mean masksr?"),
        ({"tokenizer": {"name": "dac-44khz"}}, "tokenizer: wanted one of name, checkpoint, random"),
        ({"tokenizer": {"random": {}}, "model": {"seconds": 3.0}}, "crops and inference windows have one length"),
        ({"training": {"steps": 0}}, "training.steps: Input should be greater than or equal to 1"),
        ({"training": {"rate": float("inf")}}, "training.rate: Input should be a finite number"),
        ({"data": {"speech": [{"reader": "folder", "options": {"path": "nowhere"}}]}}, "nowhere: no such folder"),
    ],
)
def test_configs_that_cannot_be_run_are_refused(tmp_path: Path, tables: dict[str, object], words: str) -> None:
    from restorebench.systems.training.loop import train
    from tests.tiny import MASKSR, quietly, write_toml

    config = write_toml(tmp_path / "bad.toml", merged(MASKSR, tables))
    with pytest.raises(RequestError) as caught:
        train(config, tmp_path / "run", False, None, quietly)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_missing_tokenizer_names_the_command_that_trains_it(cli: Cli, tmp_path: Path) -> None:
    done = cli("train", "nano/masksr2", "--out", "run")
    assert done.returncode == 2
    assert "train one first: restorebench train nano/codec-16k" in done.stderr
