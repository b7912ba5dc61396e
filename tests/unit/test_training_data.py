"""Training pairs: reproducible random draws, crops of full length, and settings that are read as they are written."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

torch = pytest.importorskip("torch")

from restorebench.benchmark.data.locations import _audio_names as audio_names  # noqa: E402
from restorebench.benchmark.errors import AudioError, RequestError  # noqa: E402
from restorebench.systems.training.config import CONFIGS, known, load_config, merged  # noqa: E402
from restorebench.systems.training.data import PairStream, indices, loader  # noqa: E402
from restorebench.systems.training.recordings import recordings_of  # noqa: E402
from restorebench.systems.training.task import learning_rate  # noqa: E402
from tests.tiny import quietly, run_config  # noqa: E402


def stream(seed: int = 0, name: str = "train", **data: object) -> PairStream:
    run = run_config(data=data)
    recordings = recordings_of(run.data.speech, None, quietly)
    return PairStream(run.data, 16_000, recordings, seed, name)


def test_an_item_is_determined_by_seed_index_and_stream_name() -> None:
    first, again = stream()[5], stream()[5]
    assert first.keys() == {"index", "clean", "degraded", "padding", "recording", "start"}
    for key in first:
        assert np.array_equal(first[key], again[key])
    for other in (stream()[6], stream(seed=1)[5], stream(name="validation")[5]):
        assert not np.array_equal(first["degraded"], other["degraded"])


def test_worker_processes_do_not_change_the_batches() -> None:
    without_workers = list(islice(loader(stream(), indices(0, 2, 1, 0, 1), 0), 3))
    with_workers = list(islice(loader(stream(), indices(0, 2, 1, 0, 1), 2), 3))
    for a, b in zip(without_workers, with_workers, strict=True):
        assert all(torch.equal(a[key], b[key]) for key in a)


def test_processes_share_the_items_of_one_process() -> None:
    """Two processes with batch 2 share the items of one with batch 4; a start at step 3 gives the items of step 3."""
    one_process = list(islice(indices(3, 4, 1, 0, 1), 2))
    two_processes = [list(islice(indices(3, 2, 1, rank, 2), 2)) for rank in (0, 1)]
    assert [sorted(a + b) for a, b in zip(*two_processes, strict=True)] == one_process
    assert list(islice(indices(0, 4, 1, 0, 1), 5))[3:] == one_process
    assert list(islice(indices(3, 2, 2, 0, 1), 2)) == [[12, 13], [14, 15]]


def test_pairs_are_different_crops_of_equal_length_within_full_scale() -> None:
    item = stream()[0]
    assert item["clean"].shape == item["degraded"].shape == (8000,)
    assert item["clean"].dtype == item["degraded"].dtype == np.float32
    assert max(np.abs(item["clean"]).max(), np.abs(item["degraded"]).max()) <= 1.0
    assert item["padding"] == 0
    assert not np.array_equal(item["clean"], item["degraded"])


def test_short_recordings_are_padded_on_the_right() -> None:
    item = stream(seconds=4.0, corruption="")[0]
    assert 0.1 < item["padding"] < 0.6
    assert not np.any(item["clean"][-1000:])
    assert np.array_equal(item["clean"], item["degraded"])


def test_crops_at_another_rate_have_the_same_duration() -> None:
    pairs = stream()
    pairs.rate = 44_100
    assert pairs[0]["clean"].shape == (22_050,)


def test_the_learning_rate_follows_its_schedule() -> None:
    constant = run_config(training={"rate": 1e-4}).training
    assert [learning_rate(constant, step) for step in (0, 5, 799_999)] == [1e-4] * 3
    warm = run_config(training={"rate": 1.0, "warm_up": 4, "decay": "cosine", "steps": 100}).training
    dac = run_config(training={"steps": 400_000, "rate": 1e-4, "decay": "exponential", "final": 0.2}).training
    with pytest.raises(ValidationError, match="needs final above 0"):
        run_config(training={"decay": "exponential"})
    assert learning_rate(dac, 200_000) == pytest.approx(1e-4 * 0.999996**200_000, rel=0.01), "DAC's schedule"
    assert learning_rate(warm, 0) == pytest.approx(0.25)
    assert learning_rate(warm, 50) == pytest.approx(0.5)
    assert learning_rate(warm, 100) == pytest.approx(0.0)


@pytest.mark.parametrize("name", known())
def test_every_bundled_config_names_its_data(name: str) -> None:
    run = load_config(name)
    assert load_config(CONFIGS / f"{name}.toml") == run
    assert bool(run.data.material) != bool(run.data.speech)
    assert run.data.material or run.data.validation


def test_tables_are_merged_key_by_key() -> None:
    below = {"a": {"x": 1, "y": 2}, "b": 1}
    assert merged(below, {"a": {"y": 3}, "c": 4}) == {"a": {"x": 1, "y": 3}, "b": 1, "c": 4}


def test_unknown_and_broken_configs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="did you mean nano/masksr"):
        load_config("nano/maskr2")
    with pytest.raises(RequestError, match="no such config; bundled ones: nano/codec-16k"):
        load_config("nowhere.toml")
    (tmp_path / "broken.toml").write_text("name =")
    with pytest.raises(RequestError, match="not valid TOML"):
        load_config(tmp_path / "broken.toml")


def test_noise_that_cannot_be_read_is_skipped_and_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One broken noise file of three and rooms of eight channels are tolerated. If all fail, the error says why."""
    rng = np.random.default_rng(0)
    noise, rooms = tmp_path / "noise", tmp_path / "rooms"
    noise.mkdir()
    rooms.mkdir()
    for n in range(2):
        soundfile.write(noise / f"{n}.wav", rng.normal(scale=0.1, size=(16_000, 1 + n)), 16_000)
    (noise / "broken.wav").write_bytes(b"RIFF and then nothing")
    decay = np.exp(-np.arange(4000) / 600)[:, None] * rng.normal(size=(4000, 8))
    soundfile.write(rooms / "array.wav", decay / np.abs(decay).max(), 16_000)
    options = {"bandwidth_hz": [1000, 8000], "noise": str(noise), "rir": str(rooms), "p_rir": 1.0, "p_noise": 1.0}
    pairs = stream(options=options)
    items = [pairs[index] for index in range(12)]
    assert all(np.isfinite(item["degraded"]).all() for item in items)
    messages = capfd.readouterr().err
    assert messages.count("training: passed over broken.wav") == 1
    for file in noise.glob("?.wav"):
        file.unlink()
    pairs.tried, pairs.missed = 60, 20
    with pytest.raises(AudioError, match=r"2\d of \d\d draws cannot be read, the last because of "):
        [pairs[index] for index in range(100, 140)]
    audio_names.cache_clear()
    with pytest.raises(AudioError, match=r"\d+ draws in a row cannot be used, the last because of broken\.wav"):
        stream(options=options)[0]
