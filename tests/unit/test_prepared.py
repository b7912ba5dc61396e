"""Codes and targets extracted before training equal those computed during training, also in the level of the inputs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from restorebench.benchmark.errors import RequestError  # noqa: E402
from restorebench.systems.masksr import teacher  # noqa: E402
from restorebench.systems.training import prepared as layout  # noqa: E402
from restorebench.systems.training.config import RunConfig  # noqa: E402
from restorebench.systems.training.data import PairStream  # noqa: E402
from restorebench.systems.training.prepare import LEVEL_OF_THE_REST, prepare, prepared_for  # noqa: E402
from restorebench.systems.training.recordings import recordings_of  # noqa: E402
from restorebench.systems.training.task import Task, make_task  # noqa: E402
from tests.tiny import (  # noqa: E402
    quietly,
    run_config,
    small_hubert,
    trained,
)


def prepared_stream(run: RunConfig, out: Path, name: str = "train") -> tuple[PairStream, Task]:
    task = make_task(run)
    recordings = recordings_of(run.data.speech, None, quietly)
    prepared = prepared_for(run, task, recordings, out) if run.data.prepared else None
    return PairStream(run.data, task.rate, recordings, 0, name, prepared), task


def test_prepared_codes_equal_those_computed_on_the_fly(tmp_path: Path) -> None:
    """Shards are written once, are shared by variants with the same codes, and are refused when one is missing."""
    assert set(make_task(run_config()).columns()) == {"codes"}, "a spectrum is computed on the fly, not prepared"
    run = run_config(data={"prepared": "features"})
    with pytest.raises(RequestError, match="run the same command with --prepare first"):
        trained(tmp_path, run)
    [shard] = prepare(run, tmp_path, quietly).rglob("shard-*.safetensors")
    assert shard.stat().st_mode & 0o777 == 0o666 & ~umask()
    before = shard.stat().st_mtime_ns
    prepare(run, tmp_path, quietly)
    prepare(run_config(data={"prepared": "features"}, model={"distillation": "none"}), tmp_path, quietly)
    assert shard.stat().st_mtime_ns == before, "a variant with the same codes must use the same shard"
    stream, task = prepared_stream(run, tmp_path)
    for index in range(12):
        item = stream[index]
        computed = task.features(torch.from_numpy(item["clean"])[None], "codes")
        assert torch.equal(computed[0], torch.from_numpy(item["codes"]))
    trained(tmp_path, run)
    shard.unlink()
    with pytest.raises(RequestError, match="1 shards are missing"):
        prepared_stream(run, tmp_path)
    other = run_config(data={"prepared": "features", "seconds": 0.4}, model={"seconds": 0.4})
    with pytest.raises(RequestError, match="no prepared codes"):
        prepared_stream(other, tmp_path)


def test_prepared_targets_equal_those_of_the_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The teacher is the real HuBERT class at a small size; its targets are extracted once, at one level."""
    monkeypatch.setattr(teacher, "load_hubert", lambda path: small_hubert())
    (tmp_path / "hubert.pt").write_bytes(b"any")
    run = run_config(
        data={"prepared": "features"}, model={"distillation": "avg-feature"},
        teacher={"hubert": str(tmp_path / "hubert.pt")},
    )  # fmt: skip
    prepare(run, tmp_path, quietly)
    stream, task = prepared_stream(run, tmp_path)
    assert set(task.columns()) == {"codes", "taught"}
    for index in range(4):
        item = stream[index]
        clean = layout.full_scale(item["clean"]) * np.float32(layout.PEAKS[LEVEL_OF_THE_REST])
        computed = task.features(torch.from_numpy(clean)[None], "taught")
        assert torch.allclose(computed[0].float(), torch.from_numpy(item["taught"]).float(), atol=1e-2)


def umask() -> int:
    current_umask = os.umask(0)
    os.umask(current_umask)
    return current_umask


def test_inputs_are_as_loud_with_prepared_features_as_without(tmp_path: Path) -> None:
    """No input exceeds full scale, as at inference. Earlier, 37 % of prepared inputs did, 5 % by more than 22 dB."""
    run = run_config(data={"prepared": "features"})
    prepare(run, tmp_path, quietly)
    streams = [prepared_stream(run, tmp_path)[0], prepared_stream(run_config(), tmp_path)[0]]
    for side in ("degraded", "clean"):
        prepared_db, computed_db = (
            np.array([20 * np.log10(np.abs(pairs[i][side]).max()) for i in range(200)]) for pairs in streams
        )
        assert prepared_db.max() <= 0.01
        assert computed_db.max() <= 0.01
        for quantile in (0.1, 0.5, 0.9):
            difference_db = np.quantile(computed_db, quantile) - np.quantile(prepared_db, quantile)
            assert -1.0 <= difference_db <= layout.STEP_DB + 0.5, f"{side}: {quantile}"


def test_windows_cover_recordings() -> None:
    assert layout.windows_of([10.0, 1.0], 4.0) == [
        layout.Window(0, 0, 0.0), layout.Window(1, 0, 4.0), layout.Window(2, 0, 8.0), layout.Window(3, 1, 0.0),
    ]  # fmt: skip
