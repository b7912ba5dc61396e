"""Training: a batch is overfitted, a resumed run equals an uninterrupted run, and two processes equal one process."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")

from restorebench.benchmark.errors import RequestError  # noqa: E402
from restorebench.benchmark.types import Utterance  # noqa: E402
from restorebench.systems.training import checkpoint  # noqa: E402
from restorebench.systems.training.config import RunConfig  # noqa: E402
from restorebench.systems.training.data import PairStream, collate  # noqa: E402
from restorebench.systems.training.recordings import recordings_of, require_not_held_out  # noqa: E402
from restorebench.systems.training.task import make_task  # noqa: E402
from tests.conftest import ROOT, Cli  # noqa: E402
from tests.tiny import (  # noqa: E402
    FRAME_CODEC,
    MASKSR,
    merged,
    quietly,
    recordings_table,
    run_config,
    trained,
    write_toml,
)


def states(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "state.pt", weights_only=True)  # type: ignore[no-any-return]


def same(a: Any, b: Any) -> bool:
    """Whether `a` and `b` are equal bit for bit, through nested containers."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def logged(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_a_nano_model_overfits_one_batch() -> None:
    """The nano shape on one batch of real pairs: more than 99 % of the masked codes are right."""
    from restorebench.systems.masksr.task import MaskSrTask
    from restorebench.systems.training.config import load_config
    from restorebench.systems.training.data import collate
    from restorebench.systems.training.loop import launch_fabric

    nano = load_config("nano/masksr2").model_dump(mode="json")
    tables = {"data": MASKSR["data"] | {"seconds": 1.0}, "tokenizer": {"random": {}}, "teacher": {}, "sampling": {}}
    settings = nano["training"] | {"batch": 4, "warm_up": 10, "decay": "constant", "ema": 0.0}
    model = nano["model"] | {"seconds": 1.0, "drop": 0.0, "distillation": "stft-16k"}
    run = RunConfig.model_validate({**nano, **tables, "model": model, "training": settings})
    torch.manual_seed(0)
    task = MaskSrTask(run)
    task.setup(launch_fabric(run))
    recordings = recordings_of(run.data.speech, None, quietly)
    stream = PairStream(run.data, task.rate, recordings, 0, "train")
    batch = collate([stream[i] for i in range(4)])
    accuracy = 0.0
    for step in range(400):
        accuracy = float(task.step([batch], step)["accuracy"])
        if accuracy > 0.99:
            break
    assert accuracy > 0.99


@pytest.mark.parametrize("base", [MASKSR, FRAME_CODEC], ids=["masksr", "frame-codec"])
def test_resume_is_exact(base: dict[str, Any], tmp_path: Path) -> None:
    settings = {"accumulate": 2, "ema": 0.9, "warm_up": 3, "clip": 1.0}
    dropout = {"model": {"dropout": 0.1}} if base is MASKSR else {}
    total = 4 if base is MASKSR else 52  # a codec revives its dead codes in step 50
    settings |= {"steps": total, "validate_every": total // 2, "log_every": 1 if base is MASKSR else 5}
    whole = run_config(base, training=settings, **dropout)
    half = run_config(base, training=settings | {"steps": total // 2}, **dropout)
    trained(tmp_path / "whole", whole)
    trained(tmp_path / "halves", half)
    assert states(tmp_path / "halves")["step"] == total // 2
    trained(tmp_path / "halves", whole, resume=True)
    first, second = states(tmp_path / "whole"), states(tmp_path / "halves")
    assert same(first["task"], second["task"])
    assert first["step"] == second["step"] == total
    assert logged(tmp_path / "whole") == logged(tmp_path / "halves")


ONE_STEP_SCRIPT = """
import sys, torch
from pathlib import Path
from restorebench.systems.training.loop import launch_fabric
from restorebench.benchmark.core.progress import silent
from restorebench.systems.training.data import PairStream, collate, indices
from restorebench.systems.training.recordings import recordings_of
from restorebench.systems.training.distributed import shutdown
from restorebench.systems.training.task import make_task
from tests.tiny import run_config, threads
torch.set_num_threads(1)
def main():
    run = run_config(training={"batch": int(sys.argv[1]), "accumulate": int(sys.argv[2])}, model={"drop": 0.5})
    fabric = launch_fabric(run)
    torch.manual_seed(0)
    task = make_task(run)
    stream = PairStream(run.data, task.rate, recordings_of(run.data.speech, None, silent), 0, "train")
    task.setup(fabric)
    order = indices(3, run.training.batch, run.training.accumulate, fabric.global_rank, fabric.world_size)
    values = task.step([collate([stream[i] for i in next(order)]) for _ in range(run.training.accumulate)], 3)
    loss = fabric.all_reduce(values["cross-entropy"], reduce_op="mean")
    if fabric.is_global_zero:
        gradients = {name: parameter.grad for name, parameter in task.module.named_parameters()}
        torch.save({"gradients": gradients, "loss": loss, "buffers": dict(task.module.named_buffers())}, sys.argv[3])
main()
shutdown()
assert "pt_gloo_runloop" not in threads(), threads()
"""


def launch(script: Path, processes: int, *arguments: object) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [*(torchrun if processes > 1 else [sys.executable]), str(script), *map(str, arguments)]
    done = subprocess.run(command, env=env, timeout=120, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.heavy
def test_two_processes_give_the_gradients_of_one_process(tmp_path: Path) -> None:
    """Two gloo processes with two clips each are compared with one process with four clips."""
    script = tmp_path / "step.py"
    script.write_text(ONE_STEP_SCRIPT)
    results = {}
    for processes, batch in ((1, 4), (2, 2)):
        launch(script, processes, batch, 1, tmp_path / f"{processes}.pt")
        results[processes] = torch.load(tmp_path / f"{processes}.pt", weights_only=True)
    one_process, two_processes = results[1], results[2]
    assert len(one_process["gradients"]) > 20
    for name, gradient in one_process["gradients"].items():
        assert torch.allclose(two_processes["gradients"][name], gradient, atol=1e-6), name
    for name, buffer in one_process["buffers"].items():
        assert torch.allclose(two_processes["buffers"][name].float(), buffer.float(), atol=1e-6), name
    assert torch.allclose(two_processes["loss"], one_process["loss"], atol=1e-6)


CODEC_SCRIPT = """
import sys, torch
from restorebench.systems.training.loop import launch_fabric
from restorebench.benchmark.core.progress import silent
from restorebench.systems.training.data import PairStream, collate, indices
from restorebench.systems.training.recordings import recordings_of
from restorebench.systems.training.distributed import shutdown
from restorebench.systems.training.task import make_task
from tests.tiny import FRAME_CODEC, run_config, threads
torch.set_num_threads(1)
def main():
    run = run_config(FRAME_CODEC, training={"ema": 0.9})
    fabric = launch_fabric(run)
    torch.manual_seed(0)
    task = make_task(run)
    stream = PairStream(run.data, task.rate, recordings_of(run.data.speech, None, silent), 0, "train")
    task.setup(fabric)
    order = indices(0, 2, 1, fabric.global_rank, fabric.world_size)
    batches = [collate([stream[i] for i in next(order)]) for _ in range(2)]
    task.start_quantisers(batches[0])
    task.module.codec.quantizer.stages[0].usage.zero_()  # every code is dead
    for step in (48, 49):
        task.step([batches[step - 48]], step)
    torch.save({"module": task.module.state_dict(), "average": task.average.state_dict()},
               f"{sys.argv[1]}.{fabric.global_rank}")
main()
shutdown()
assert "pt_gloo_runloop" not in threads(), threads()
"""


def test_all_processes_have_the_same_codebook(tmp_path: Path) -> None:
    """After k-means on different clips and the revival of dead codes, every process has the same weights."""
    (tmp_path / "codec.py").write_text(CODEC_SCRIPT)
    launch(tmp_path / "codec.py", 2, tmp_path / "state")
    first, second = (torch.load(tmp_path / f"state.{rank}", weights_only=True) for rank in (0, 1))
    assert same(first, second)


def test_a_run_that_diverges_keeps_its_last_checkpoint(tmp_path: Path) -> None:
    trained(tmp_path, run_config())
    before = (tmp_path / "model.safetensors").read_bytes()
    state = states(tmp_path)
    weights = next(iter(state["task"]["module"]))
    state["task"]["module"][weights].fill_(float("nan"))
    torch.save(state, tmp_path / "state.pt")
    with pytest.raises(RequestError, match=r"not finite at step 5; the last checkpoint in .* is whole"):
        trained(tmp_path, run_config(training={"steps": 8}), resume=True)
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_resuming_under_other_conditions_is_refused(tmp_path: Path) -> None:
    trained(tmp_path / "run", run_config())
    state = states(tmp_path / "run")
    with pytest.raises(RequestError, match=r"other clips of a step \(2, now 8\)"):
        trained(tmp_path / "run", run_config(training={"steps": 8, "batch": 8}), resume=True)
    torch.save({**state, "features": "another codec"}, tmp_path / "run" / "state.pt")
    with pytest.raises(RequestError, match="other features"):
        trained(tmp_path / "run", run_config(training={"steps": 8}), resume=True)
    torch.save(state, tmp_path / "run" / "state.pt")
    with pytest.raises(RequestError, match=r"training\.decay, training\.steps"):
        trained(tmp_path / "run", run_config(training={"steps": 8, "decay": "cosine"}), resume=True)


def test_a_run_resumes_with_another_split_of_its_step_into_batches(tmp_path: Path) -> None:
    """A batch of two clips equals two accumulated batches of one clip: the number of a step determines its clips. Only
    batch normalisation differs, because its batch is smaller."""
    halves = {"training": {"batch": 1, "accumulate": 2}}
    for name, first, second in (("one", {}, {}), ("other", {}, halves)):
        trained(tmp_path / name, run_config(**first))
        longer = merged(second, {"training": {"steps": 6}})
        trained(tmp_path / name, run_config(**longer), resume=True)
    whole_losses, split_losses = (
        [float(row["value"]) for row in logged(tmp_path / name) if row["split"] + row["name"] == "traincross-entropy"]
        for name in ("one", "other")
    )
    assert len(whole_losses) == 6
    assert whole_losses[:4] == split_losses[:4]
    assert whole_losses[4:] == pytest.approx(split_losses[4:], rel=0.05)


def test_checkpoints_are_kept_and_the_best_one_is_copied(tmp_path: Path) -> None:
    folder = trained(tmp_path, run_config(training={"keep_every": 2, "quality_clips": 2})).parent
    assert sorted(p.name for p in folder.glob("step-*")) == ["step-0000002.safetensors", "step-0000004.safetensors"]
    assert {"composite", "dnsmos.ovl", "lsd"} <= {row["name"] for row in logged(folder) if row["split"] == "validation"}
    best = checkpoint.header(folder / "best.safetensors")["card"]["metrics"]["composite"]
    composites = [checkpoint.header(p)["card"]["metrics"]["composite"] for p in folder.glob("step-*")]
    assert best == max(composites)


def test_speech_of_a_test_set_is_refused(tmp_path: Path) -> None:
    speech = tmp_path / "speech" / "p360"
    speech.mkdir(parents=True)
    soundfile.write(speech / "p360_001_mic1.flac", 0.1 * np.ones(16_000), 16_000)
    data = {"speech": [{"reader": "folder", "options": {"path": str(tmp_path / "speech")}}]}
    with pytest.raises(RequestError, match=r"1 recordings are of speakers that test sets hold out \(.*p360_001"):
        trained(tmp_path / "run", run_config(data=data))
    trained(tmp_path / "run", run_config(data=data | {"held_out": []}, training={"steps": 1}))


@pytest.mark.parametrize(
    ("corpus", "clip", "speaker", "refused"),
    [
        ("archives", "part/p360_001", "", True), ("vctk", "x", "p361", True), ("folder", "p3601_001", "p361", False),
        ("librispeech", "p225_001", "p225", False), ("manifest", "x", "", False),
    ],
)  # fmt: skip
def test_held_out_speakers_are_known_by_clip_and_by_speaker(
    corpus: str, clip: str, speaker: str, refused: bool
) -> None:
    """This includes archives and material, where no file has the name of the clip or speaker."""
    if refused:
        with pytest.raises(RequestError, match="of speakers that test sets hold out"):
            require_not_held_out(run_config(), [(corpus, clip, "", speaker)])
    else:
        require_not_held_out(run_config(), [(corpus, clip, "", speaker)])


def test_noise_of_a_test_set_is_refused(tmp_path: Path) -> None:
    (tmp_path / "noise").mkdir()
    soundfile.write(tmp_path / "noise" / "DEMAND_cafe.wav", 0.1 * np.ones(16_000), 16_000)
    options = {"noise": str(tmp_path / "noise")}
    with pytest.raises(RequestError, match=r"1 noises are of a test set \(.*DEMAND_cafe"):
        require_not_held_out(run_config(data={"options": options}), [])
    require_not_held_out(run_config(data={"options": options, "held_out_noise": []}), [])


@pytest.mark.parametrize("name", ["train", "validation"])
def test_masks_of_workers_are_those_of_the_task(name: str) -> None:
    """Material in memory has no worker processes, so the task draws the masks; they must equal those of workers."""
    run = run_config(model={"drop": 0.5})
    task = make_task(run)
    recordings = recordings_of(run.data.speech, None, quietly)
    items = [PairStream(run.data, task.rate, recordings, 0, name, extras=task.extras())[n] for n in range(6)]
    batch = collate(items)
    bare = {key: value for key, value in batch.items() if key not in ("masked", "dropped")}
    examples = task.to_examples(bare, name)  # type: ignore[attr-defined]
    assert torch.equal(examples["masked"], batch["masked"])
    assert torch.equal(examples["dropped"], batch["dropped"])
    assert bool(batch["dropped"].any()) == (name == "train")
    assert not torch.equal(batch["masked"][0], batch["masked"][1])


def test_minutes_do_not_count_the_first_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a run of half a minute would stop after one step when the first validation takes half a minute."""
    from restorebench.systems.masksr.task import MaskSrTask
    from restorebench.systems.training.loop import train

    original_validate = MaskSrTask.validate

    def slow_validate(self: MaskSrTask, batches: Any) -> Any:
        time.sleep(3)
        return original_validate(self, batches)

    monkeypatch.setattr(MaskSrTask, "validate", slow_validate)
    run = run_config(training={"steps": 10_000, "validate_every": 10_000})
    assert train(run, tmp_path, False, 0.05, quietly).done > 2


def test_a_fault_in_a_worker_is_an_error_of_one_line(tmp_path: Path) -> None:
    """The list of recordings names a file that no longer exists when a worker process opens it."""
    from itertools import islice

    from restorebench.systems.training.data import indices, loader

    gone = recordings_table([Utterance(id="gone", uri=str(tmp_path / "gone.wav"))])
    stream = PairStream(run_config().data, 16_000, gone, 0, "train")
    with pytest.raises(RequestError) as caught:
        list(islice(loader(stream, indices(0, 2, 1, 0, 1), 1), 1))
    assert "gone.wav" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint(tmp_path: Path, signal_number: signal.Signals) -> None:
    from tests.conftest import COMMAND

    long = {"training": {"steps": 100_000, "validate_every": 50_000}}
    command = [COMMAND, "train", write_toml(tmp_path / "long.toml", merged(MASKSR, long)), "--out", "run"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "run" / "log.csv"
    deadline = time.monotonic() + 90
    while not (log.is_file() and "train" in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal_number)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 0, messages
    assert "of 100000; add --resume to go on" in messages
    step = states(tmp_path / "run")["step"]
    assert step > 0
    assert (tmp_path / "run" / "curve.png").is_file()


@pytest.mark.parametrize("base", [MASKSR, FRAME_CODEC], ids=["masksr", "frame-codec"])
def test_mixed_precision_logs_finite_values(base: dict[str, Any], tmp_path: Path) -> None:
    trained(tmp_path, run_config(base, training={"precision": "bf16-mixed", "steps": 2}))
    values = [float(row["value"]) for row in logged(tmp_path)]
    assert all(value == value and abs(value) < 1e6 for value in values)


def test_the_command_writes_all_files_of_a_run(cli: Cli, tmp_path: Path) -> None:
    config = write_toml(tmp_path / "tiny.toml", MASKSR)
    done = cli("train", config, "--out", "run")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "run"
    names = {p.name for p in folder.iterdir()}
    assert {"model.safetensors", "state.pt", "config.json", "log.csv", "curve.png", "tensorboard", "audio"} <= names
    assert (folder / "curve.png").read_bytes()[:4] == b"\x89PNG"
    assert list((folder / "tensorboard").iterdir())
    assert {"0-degraded.wav", "0-restored.wav", "0-clean.wav"} <= {p.name for p in (folder / "audio").iterdir()}
    rows = logged(folder)
    assert {"cross-entropy", "distillation", "accuracy"} <= {r["name"] for r in rows if r["split"] == "validation"}
    assert {r["step"] for r in rows if r["split"] == "validation"} == {"0", "2", "4"}
    facts = checkpoint.header(folder / "model.safetensors")
    assert facts["card"]["steps"] == 4
    assert facts["card"]["metrics"]["cross-entropy"] > 0
    assert facts["card"]["licences_of_the_data"]
    assert not any(key.startswith("model.distillation") for key in checkpoint.read(
        folder / "model.safetensors", "masksr").tensors)  # fmt: skip
    again = cli("train", config, "--out", "run")
    assert again.returncode == 2
    assert "holds a run already; add --resume" in again.stderr
    other = write_toml(tmp_path / "other.toml", merged(MASKSR, {"model": {"width": 48}}))
    mixed = cli("train", other, "--out", "run", "--resume")
    assert mixed.returncode == 2
    assert "was started with other settings (model.width)" in mixed.stderr


def test_a_checkpoint_has_the_mode_that_the_umask_gives(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        assert trained(tmp_path / "run").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
