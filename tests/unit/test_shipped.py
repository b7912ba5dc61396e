"""The bundled checkpoints are complete, small, described by cards, and tied to the codecs whose codes they predict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from restorebench.benchmark import registry  # noqa: E402
from restorebench.benchmark.errors import RequestError  # noqa: E402
from restorebench.benchmark.types import Audio  # noqa: E402
from restorebench.systems.checkpoints import FOLDER, bundled  # noqa: E402
from restorebench.systems.tokenizers.choose import checked_codec, load_frame_codec  # noqa: E402
from restorebench.systems.training import checkpoint  # noqa: E402
from restorebench.systems.training.publish import SHIPPED  # noqa: E402

FILES = sorted(FOLDER.glob("*.safetensors"))
HELD_OUT = {"1089", "121", "1580", "237", "2830", "3570", "4446", "5105", "6930", "8455"}


def test_every_shipped_checkpoint_is_present_and_small() -> None:
    assert {path.stem for path in FILES} == {shipped.name for shipped in SHIPPED}
    assert all(path.stat().st_size <= 10_000_000 for path in FILES)
    assert sum(path.stat().st_size for path in FILES) <= 45_000_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_card_says_what_its_model_was_trained_on(path: Path) -> None:
    card = checkpoint.header(path)["card"]
    assert card["steps"] > 1000
    assert card["minutes"] > 1
    assert len(card["commit"]) >= 40
    assert "H200" in card["machine"]
    assert "CC BY 4.0 (LibriSpeech)" in card["licences_of_the_data"]
    assert sum(corpus["hours"] for corpus in card["speech"]) > 5
    assert not HELD_OUT & {speaker for corpus in card["speech"] for speaker in corpus["speakers"]}


@pytest.mark.parametrize("name", ["masksr2-nano", "masksr-nano", "sise-nano", "sise-wo-dis-nano", "target-codec-nano"])
def test_a_system_card_names_its_training_speakers_and_corpora(name: str) -> None:
    training = registry.create("systems", name).card.training
    assert sum(corpus.hours or 0.0 for corpus in training) > 5
    speakers = {speaker for corpus in training for speaker in corpus.speakers}
    assert {"61", "908", "103"} <= speakers
    assert not HELD_OUT & speakers


def test_checkpoints_are_in_half_precision_and_models_contain_no_codec() -> None:
    for path in FILES:
        header = checkpoint.header(path)
        from safetensors.torch import load_file

        tensors = load_file(path)
        assert all(tensor.dtype == torch.float16 for tensor in tensors.values() if tensor.is_floating_point())
        if header["kind"] in ("masksr", "sise"):
            assert all(key.startswith("model.") for key in tensors)


def test_the_decoder_of_a_codec_may_change_but_its_encoder_may_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = checkpoint.read(bundled("codec-nano"), "frame-codec")
    digest = checkpoint.header(bundled("masksr2-nano"))["config"]["tokenizer"]["codes"]
    monkeypatch.setattr("restorebench.systems.checkpoints.FOLDER", tmp_path)

    def save_with(prefix: str) -> None:
        key = next(key for key in codec.tensors if key.startswith(prefix))
        changed = {**codec.tensors, key: codec.tensors[key] + 0.1}
        checkpoint.save(tmp_path / "codec-nano.safetensors", checkpoint.Checkpoint(codec.kind, changed, codec.config))

    save_with("decoder.")
    assert checked_codec("codec-nano", digest, Path("model")).is_file()
    for prefix in ("encoder.", "quantizer."):
        save_with(prefix)
        with pytest.raises(RequestError, match="trained on codes of codec-nano"):
            checked_codec("codec-nano", digest, Path("model"))


def test_windows_join_without_a_click(speech: Audio) -> None:
    """Second differences at the joins of three windows are no larger than elsewhere: no click."""
    system = registry.create("systems", "masksr2-nano")
    long = Audio(np.concatenate([speech.samples] * 4)[: 9 * speech.rate], speech.rate)
    [restored] = system.restore([long], [0])
    second_difference = np.abs(np.diff(restored.samples, 2))
    typical_maximum = np.quantile(second_difference, 0.999)
    for join in (4 * speech.rate, 8 * speech.rate):
        assert second_difference[join - 5 : join + 5].max() <= max(typical_maximum, 1e-3)
    assert abs(float(restored.samples.mean())) < 1e-3  # no DC offset


def test_the_nano_codec_uses_many_codes_of_every_codebook(speech: Audio) -> None:
    """Even 2.5 s of one voice use many codes of every codebook."""
    codec = load_frame_codec(bundled("codec-nano"))
    with torch.no_grad():
        codes = codec.encode(torch.from_numpy(speech.samples)[None])[0]
    assert all(len(row.unique()) > 40 for row in codes)
