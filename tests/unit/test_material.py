"""Training material in memory: bundled speech is gathered, packed, drawn and degraded."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from restorebench.benchmark.audio import read  # noqa: E402
from restorebench.benchmark.data.locations import BUNDLE  # noqa: E402
from restorebench.benchmark.errors import RequestError  # noqa: E402
from restorebench.systems.training.bundle import pack, unpack  # noqa: E402
from restorebench.systems.training.config import DataConfig  # noqa: E402
from restorebench.systems.training.draws import Draws, at_snr, filter_bank  # noqa: E402
from restorebench.systems.training.material import (  # noqa: E402
    HOP,
    NO_PHONE,
    NO_UNIT,
    RATE,
    Material,
    MaterialConfig,
    Recording,
    _gather_speech,
    save_array,
    to_int16,
)
from tests.tiny import MASKSR, quietly, run_config, trained  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture
def material(tmp_path: Path) -> Material:
    """Six bundled clips, two of them for validation, with random labels, one room and a minute of noise."""
    rng = np.random.default_rng(0)
    recordings, parts = [], []
    for index, name in enumerate(("slt_04", "rms_03", "awb_02", "kal16_01", "slt_08", "rms_07")):
        clip = read(BUNDLE / f"{name}.flac")
        split = "dev" if index > 3 else "train"
        recordings.append(Recording("demo", name, name[:3], "free", split, len(clip.samples)))  # type: ignore[arg-type]
        parts.append(to_int16(np.pad(clip.samples, (0, -len(clip.samples) % HOP))))
    folder = tmp_path / "material"
    folder.mkdir()
    frames = sum(recording.frames for recording in recordings)
    save_array(folder / "speech.npy", np.concatenate(parts))
    save_array(folder / "phones.npy", rng.integers(0, 41, frames).astype(np.uint8))
    units = rng.integers(0, 500, frames).astype(np.uint16)
    units[:5] = NO_UNIT
    save_array(folder / "units.npy", units)
    save_array(folder / "noise.npy", to_int16(rng.normal(scale=0.05, size=60 * RATE).astype(np.float32)))
    room = (rng.normal(size=8000) * np.exp(-np.arange(8000) / 1500)).astype(np.float32)
    room[0] = 1.0
    with (folder / "rirs.npz").open("wb") as file:
        np.savez(file, **{"0000": room})
    (folder / "recordings.json").write_text(json.dumps([asdict(recording) for recording in recordings]))
    return Material(folder)


def draws(material: Material, seed: int = 0, batch: int = 8, **data: object) -> Draws:
    config = DataConfig.model_validate(
        {"material": "x", "seconds": 1.0, "options": {"bandwidth_hz": [1000, 8000]}, **data}
    )
    return Draws(material, config, CPU, seed, "train", batch)


def test_a_batch_is_determined_by_the_seed_and_its_number(material: Material) -> None:
    first, again = draws(material).batch(3), draws(material).batch(3)
    assert all(torch.equal(first[key], again[key]) for key in first)
    for other in (draws(material).batch(4), draws(material, seed=1).batch(3)):
        assert not torch.equal(first["degraded"], other["degraded"])


def test_recordings_without_phones_are_counted(material: Material) -> None:
    assert material.count_without_phones() == 0
    phones = np.load(material.folder / "phones.npy")
    phones[material.starts[1] : material.starts[3]] = NO_PHONE
    save_array(material.folder / "phones.npy", phones)
    assert Material(material.folder).count_without_phones() == 2


def test_crops_and_labels_are_of_the_same_frames(material: Material) -> None:
    batch = draws(material, corruption="").batch(0)
    for row in range(8):
        recording, first = int(batch["recording"][row]), round(float(batch["start"][row]) * RATE / HOP)
        first_frame = int(material.starts[recording]) + first
        clip = material.speech[first_frame * HOP : (first_frame + 50) * HOP].astype(np.float64)
        crop = batch["clean"][row].double().numpy()
        gain = np.dot(crop, clip) / np.dot(clip, clip)
        assert np.allclose(crop, gain * clip, atol=1e-3)
        wanted = material.units[first_frame : first_frame + 50].astype(np.int64)
        assert np.array_equal(batch["units"][row].numpy(), np.where(wanted == NO_UNIT, -100, wanted))


def test_short_recordings_are_followed_by_silence(material: Material) -> None:
    batch = draws(material, seconds=8.0, corruption="").batch(0)
    assert (batch["padding"] > 0).all()
    assert not batch["clean"][:, -HOP:].any()
    assert (batch["units"][:, -1] == -100).all()


def test_levels_and_noise_are_those_of_the_corruption(material: Material) -> None:
    """The joint peak is drawn from [0.3, 1]; without reverberation, clipping and filters the SNR is the drawn one."""
    options = {"bandwidth_hz": [1000, 8000], "p_rir": 0.0, "p_clip": 0.0, "p_lowpass": 0.0, "snr_db": [5, 5],
               "filter_noise": False}  # fmt: skip
    batch = draws(material, batch=32, options=options).batch(0)
    peak = torch.maximum(batch["clean"].abs().amax(1), batch["degraded"].abs().amax(1))
    assert float(peak.min()) >= 0.3 - 1e-4
    assert float(peak.max()) <= 1.0 + 1e-4
    noise = batch["degraded"] - batch["clean"]
    ratio = 10 * torch.log10(batch["clean"].square().mean(1) / noise.square().mean(1))
    assert torch.allclose(ratio, torch.tensor(5.0), atol=0.05)


def test_the_dns_corruption_sets_the_level_of_the_mixture(material: Material) -> None:
    options = {"level_dbfs": [-25, -25], "p_rir": 1.0, "rir": "simulated"}
    batch = draws(material, corruption="dns", options=options).batch(0)
    level = 20 * torch.log10(batch["degraded"].square().mean(1).sqrt())
    loud = batch["degraded"].abs().amax(1) > 0.985
    assert torch.allclose(level[~loud], torch.tensor(-25.0), atol=0.1)


def test_silent_noise_adds_nothing() -> None:
    speech = torch.randn(2, 100)
    assert not at_snr(speech, torch.zeros(2, 100), torch.zeros(2, 1)).any()


def test_filters_are_those_of_the_corruption() -> None:
    """Every filter passes frequencies far below its cutoff and stops frequencies far above all cutoffs."""
    from restorebench.corruptions.voicefixer import VoiceFixer

    bank = filter_bank(VoiceFixer(bandwidth_hz=(1000.0, 3000.0)), RATE)  # one bin per hertz
    assert np.allclose(np.abs(bank[:, 100]), 1.0, atol=0.05)
    assert np.abs(bank[:, 7500:]).max() < 0.05


def test_an_unknown_corruption_is_refused(material: Material) -> None:
    with pytest.raises(RequestError, match="no batched form"):
        draws(material, corruption="clipping", options={})


def test_an_unpacked_bundle_matches_the_packed_material(material: Material, tmp_path: Path) -> None:
    """Opus keeps the positions of samples; unit labels are exact, and RIRs are exact up to half precision."""
    parts = pack(material, tmp_path / "bundle", 1.0, 2, quietly)
    assert sum(path.stat().st_size for part in parts for path in part.iterdir()) < 2e6
    back = unpack(parts, tmp_path / "back", quietly)
    order = [*range(0, 6, 2), *range(1, 6, 2)]
    assert [r.id for r in back.recordings] == [material.recordings[source].id for source in order]
    for index, source in enumerate(order):
        first, second = back.audio(index).samples, material.audio(source).samples
        assert np.corrcoef(first, second)[0, 1] > 0.95
    frames = np.concatenate([np.arange(material.starts[p], material.starts[p + 1]) for p in order])
    assert np.array_equal(back.units, material.units[frames])
    assert np.allclose(back.rirs[0], material.rirs[0], atol=1e-3)
    with pytest.raises(RequestError, match="kbit/s for speech"):
        pack(material, tmp_path / "small", 0.1, 1, quietly)


def test_absent_and_broken_material_is_refused(material: Material, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no training material"):
        Material(tmp_path / "nowhere")
    save_array(material.folder / "speech.npy", material.speech[:-HOP])
    with pytest.raises(RequestError, match=r"speech\.npy holds 248640 samples, recordings\.json lists 248960"):
        Material(material.folder)


def test_speech_that_is_missing_is_gathered_again(tmp_path: Path) -> None:
    config = MaterialConfig.model_validate(
        {"speech": [{"reader": "demo", "options": {"ids": ["slt_04"]}}],
         "dev": [{"reader": "demo", "options": {"ids": ["slt_08"]}}], "noise": "", "rirs": ""}
    )  # fmt: skip
    texts = _gather_speech(config, tmp_path, quietly)
    gathered = (tmp_path / "speech.npy").read_bytes()
    (tmp_path / "speech.npy").unlink()
    assert _gather_speech(config, tmp_path, quietly) == texts
    assert (tmp_path / "speech.npy").read_bytes() == gathered


def test_training_on_material_resumes_exactly(material: Material, tmp_path: Path) -> None:
    tables = {
        "data": {**MASKSR["data"], "material": str(material.folder), "speech": [], "validation": []},
        "training": {"steps": 4, "validate_every": 2, "quality_clips": 0},
    }
    whole = run_config({**MASKSR, "data": tables["data"]}, training=tables["training"])
    trained(tmp_path / "whole", whole)
    half = whole.model_copy(update={"training": whole.training.model_copy(update={"steps": 2})})
    trained(tmp_path / "halves", half)
    trained(tmp_path / "halves", whole, resume=True)
    states = [
        torch.load(tmp_path / name / "state.pt", weights_only=True)["task"]["module"] for name in ("whole", "halves")
    ]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
