"""Trains the nano models one after the other on a CPU, or side by side on a GPU.

    python -m restorebench.systems.training.nano gather                   corpora -> material/nano
    python -m restorebench.systems.training.nano pack --megabytes 60      material/nano -> material/bundle
    python -m restorebench.systems.training.nano unpack FOLDER ...        material/bundle -> material/nano
    python -m restorebench.systems.training.nano train --minutes 600      material/nano -> runs/
    python -m restorebench.systems.training.nano publish --out FOLDER     runs/ -> checkpoints that ship

Codecs are trained before the models of their codes; a codec's decoder can be trained further at the same time as these
models, since it does not change the codes.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer

from restorebench.benchmark.core.pool import end_with
from restorebench.benchmark.errors import RequestError

MATERIAL, BUNDLE, RUNS = Path("material/nano"), Path("material/bundle"), Path("runs")


@dataclass(frozen=True)
class Run:
    name: str
    """A bundled config, `nano/NAME`."""
    share: float
    """Share of the minutes on a CPU, where the runs are trained one after the other."""
    batch: int
    """Batch size on a GPU."""
    second: bool = False
    """Whether the run needs a trained codec, so that it starts after that codec's run."""


PLAN = (
    Run("codec-16k", 0.16, 128),
    Run("masksr2", 0.2, 64, second=True),
    Run("sise-codec", 0.1, 128),
    Run("sise", 0.16, 64, second=True),
    Run("codec-16k-decoder", 0.12, 48, second=True),
    Run("sise-codec-decoder", 0.06, 48, second=True),
    Run("masksr", 0.12, 64, second=True),
    Run("sise-wo-dis", 0.08, 64, second=True),
)
"""In order of priority."""
FIRST_SHARE = 0.33
"""Share of the minutes on a GPU during which the codecs are trained, before the other runs start."""

app = typer.Typer(add_completion=False, help=(__doc__ or "").partition("\n")[0])


@app.command()
def gather() -> None:
    """Collect corpora, phones, Whisper units, noise and room impulse responses."""
    from restorebench.systems.training.material import default_config
    from restorebench.systems.training.material import gather as gather_material

    material = gather_material(default_config(), MATERIAL, plainly)
    print(f"{material.count_without_phones()} of {len(material.recordings)} recordings have no phones")


@app.command()
def pack(
    megabytes: Annotated[float, typer.Option(help="Largest size of a part in MB.")] = 60.0,
    parts: Annotated[int, typer.Option(min=1, help="Number of self-contained parts.")] = 1,
) -> None:
    """Pack the material for a machine with a GPU."""
    from restorebench.systems.training.bundle import pack as pack_material
    from restorebench.systems.training.material import Material

    for folder in pack_material(Material(MATERIAL), BUNDLE, megabytes, parts, plainly):
        print(folder, f"{sum(p.stat().st_size for p in folder.iterdir()) / 1e6:.1f} MB")


@app.command()
def unpack(parts: list[Path], out: Path = MATERIAL) -> None:
    """Join the parts of a bundle into one folder of training material."""
    from restorebench.systems.training.bundle import unpack as unpack_parts

    unpack_parts(parts, out, plainly)


@app.command()
def train(
    minutes: Annotated[float, typer.Option(help="Training time of all runs together.")] = 600.0,
    threads: Annotated[int, typer.Option(min=1, help="Number of CPU threads per run.")] = 1,
    material: Annotated[Path, typer.Option(help="Folder of the training material.")] = MATERIAL,
    only: Annotated[str, typer.Option(help="Names of runs, separated by commas.")] = "",
    side_by_side: Annotated[bool | None, typer.Option(help="Train the runs in parallel; default: on a GPU.")] = None,
) -> None:
    """Start or resume the runs. Runs that are trained one after the other have the lowest CPU priority."""
    import torch

    gpu = torch.cuda.is_available()
    chosen = [run for run in PLAN if not only or run.name in only.split(",")]
    if side_by_side if side_by_side is not None else gpu:
        _side_by_side(chosen, minutes, threads, material)
        return
    os.nice(19)
    total = sum(run.share for run in chosen)
    for run in chosen:
        _in_process(run, minutes * run.share / total, threads, material, {})


@app.command()
def publish(out: Annotated[Path, typer.Option(help="Folder of the checkpoints.")]) -> None:
    """Write the runs' checkpoints for distribution: in half precision, with codecs in separate files."""
    from restorebench.systems.training.publish import publish as publish_runs

    for path in publish_runs(RUNS, out):
        print(path, f"{path.stat().st_size / 1e6:.1f} MB")


def _side_by_side(chosen: list[Run], minutes: float, threads: int, material: Path) -> None:
    """Codecs first, then everything else at once, each run in a process of its own."""
    end = time.monotonic() + 60 * minutes
    first = [run for run in chosen if not run.second]
    second = [run for run in chosen if run.second]
    common = {"horizon": "minutes", "steps": 10**9, "quality_clips": 0, "listen": 0, "precision": "bf16-mixed"}
    for runs, share in ((first, FIRST_SHARE if second else 1.0), (second, 1.0)):
        left = (end - time.monotonic()) / 60 * share
        processes = [
            get_context("spawn").Process(
                target=_in_child, args=(os.getpid(), run, left, threads, material, {**common, "batch": run.batch})
            )
            for run in runs
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        if failed := [run.name for run, process in zip(runs, processes, strict=True) if process.exitcode]:
            print(f"failed: {', '.join(failed)}", file=sys.stderr, flush=True)


def _in_child(parent: int, *arguments: Any) -> None:
    """One run in a child process, which ends with its parent; on Ctrl-C the run saves a checkpoint and stops."""
    end_with(parent)
    _in_process(*arguments)


def _in_process(run: Run, minutes: float, threads: int, material: Path, training: dict[str, Any]) -> None:
    import torch

    from restorebench.systems.training.config import load_config
    from restorebench.systems.training.loop import train as train_run

    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True  # every step has the same shapes
    torch.backends.cudnn.allow_tf32 = False  # the quantiser's lookup runs outside autocast, in float32
    started = time.monotonic()
    config = load_config(f"nano/{run.name}")
    config = config.model_copy(
        update={
            "data": config.data.model_copy(update={"material": str(material)}),
            "training": config.training.model_copy(update=training),
        }
    )
    out = RUNS / run.name
    trained = train_run(config, out, (out / "state.pt").is_file(), minutes, plainly)
    print(f"{run.name}: {trained.done} steps in {time.monotonic() - started:.0f} s", flush=True)


def plainly(stage: str, total: int, steps: Iterator[int]) -> None:
    """Prints progress as one line every half minute, since the output of these runs goes to log files."""
    began = shown = time.monotonic()
    count = 0
    for step in steps:
        count += step
        if time.monotonic() - shown > 30:
            shown = time.monotonic()
            print(f"{stage}: {count} of {total} in {shown - began:.0f} s", flush=True)
    print(f"{stage}: {count} of {total} in {time.monotonic() - began:.0f} s, done", flush=True)


def main() -> None:
    try:
        app()
    except RequestError as error:
        sys.exit(f"nano: {error}")


if __name__ == "__main__":
    main()
