"""Commands on audio: degrade, verify, speech, restore, check-system, train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restorebench.benchmark.cli.options import (
    Format,
    Format_,
    Limit,
    Wide,
    Workers_,
    _print,
    _print_result,
    _print_status,
    _stored_plan,
    _workers,
)

app = typer.Typer()


@app.command(epilog="Example: restorebench degrade demo --out test-set")
def degrade(
    suite: Annotated[str, typer.Argument(help="A suite's name, or a path to a .toml file.")],
    out: Annotated[Path, typer.Option(help="Folder to write the test set to.")],
    limit: Limit = None,
    workers: Workers_ = None,
) -> None:
    """Write a suite's test set: reference and degraded audio, and a manifest with recipes and hashes."""
    from restorebench.benchmark.core.outputs import require_folder
    from restorebench.benchmark.core.progress import show
    from restorebench.benchmark.folders import degrade as test_set
    from restorebench.benchmark.plan.planner import trials_of
    from restorebench.benchmark.suite import load_suite

    require_folder(out)
    trials = list(trials_of(load_suite(suite), limit))
    faults = test_set.write(trials, out, _workers(workers), show)
    for fault in faults:
        _print_status(fault)
    _print_status(f"wrote {len(trials) - len(faults)} of {len(trials)} pairs to {out}")
    raise typer.Exit(1 if faults else 0)


@app.command(epilog="Example: restorebench verify test-set")
def verify(folder: Annotated[Path, typer.Argument(readable=False, help="Folder that `degrade` wrote.")]) -> None:
    """Check that every sound of a test set has the hash that the manifest gives.

    Exit code 1 when a sound differs, is missing or is not listed.
    """
    from restorebench.benchmark.folders import degrade as test_set

    clip_count, faults = test_set.verify(folder)
    for fault in faults:
        _print_result(fault)
    _print_result(f"{clip_count} clips, {len(faults)} faults")
    raise typer.Exit(1 if faults else 0)


@app.command(epilog="Example: restorebench speech demo-store --suite demo-tts --out spoken")
def speech(
    store: Annotated[Path, typer.Argument(readable=False, help="A store with a suite that synthesizes speech.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    suite: Annotated[str, typer.Option(help="Which suite of the store; default: the latest.")] = "",
    prompts: Annotated[
        bool, typer.Option("--prompts", help="Write prompts for another TTS: SYSTEM/meta.lst, SYSTEM/prompts/.")
    ] = False,
) -> None:
    """Write a store's synthetic speech as SeedTTS lays it out: meta.lst, prompts, and SYSTEM/UTT.wav.

    The official scripts score these folders; exit code 1 when speech is missing. With --prompts, writes the prompts for
    a TTS without an adapter: store its speech beside each meta.lst as UTT.wav, then run --synthesizer published:DIR.
    """
    from restorebench.benchmark.core.outputs import require_folder
    from restorebench.benchmark.folders.speech import write_prompts, write_speech

    require_folder(out)
    written, missing = (write_prompts if prompts else write_speech)(*_stored_plan(store, suite), out)
    for line in missing:
        _print_status(line)
    _print_status(f"wrote {written} sounds to {out}, {len(missing)} are missing")
    raise typer.Exit(1 if missing else 0)


@app.command(epilog="Example: restorebench restore noisy.wav restored.wav --system gtcrn")
def restore(
    source: Annotated[Path, typer.Argument(metavar="IN", readable=False, help="A recording, or a folder of them.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File or folder to write (32-bit float WAV).")],
    system: Annotated[str, typer.Option(help="Name of a system.")],
    checkpoint: Annotated[
        Path | None,
        typer.Option(readable=False, help="Checkpoint of a system without public weights, as in --system NAME@FILE."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed, for systems that generate speech by random sampling.")] = 0,
) -> None:
    """Restore one file or a folder. A file that cannot be restored is reported; the others are written."""
    from restorebench.benchmark.core.progress import show
    from restorebench.benchmark.folders.restore import restore_files

    name = f"{system}@{checkpoint}" if checkpoint else system
    written, faults = restore_files(source, target, name, seed, show)
    for fault in faults:
        _print_status(fault)
    _print_status(f"restored {written} of {written + len(faults)} files to {target}")
    raise typer.Exit(1 if faults else 0)


@app.command("check-system", epilog="Example: restorebench check-system gtcrn")
def check_system(
    system: Annotated[
        str, typer.Argument(help="Name of a system or synthesizer, with a checkpoint where it needs one: NAME@FILE.")
    ],
    long: Annotated[bool, typer.Option("--long", help="Test ten minutes of speech even if that is slow.")] = False,
    form: Format_ = Format.terminal,
    wide: Wide = False,
) -> None:
    """Check that a system preserves length, level, polarity and silence, without delay or state between calls.

    A synthesizer is checked for what the downstream test needs: its model gets the unchanged prompt, equal seeds give
    equal speech, and no sentence is generated twice.

    Ten minutes of speech in one call are tested where that takes less than a minute. Exit code 1 when a check finds a
    fault.
    """
    from restorebench.benchmark.api import check_system as check
    from restorebench.benchmark.core.progress import show

    conformance = check(system, long=long, progress=show)
    _print([conformance.table()], form, wide)
    _print_status(f"{system}: {len(conformance.faults)} faults" if conformance.faults else f"{system}: no fault")
    raise typer.Exit(1 if conformance.faults else 0)


@app.command(epilog="Example: restorebench train nano/codec-16k --minutes 15")
def train(
    config: Annotated[str, typer.Argument(help="A path to a .toml file, or the name of a bundled one: nano/masksr2.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; default: runs/ and the last part of CONFIG.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in the folder of --out from its last checkpoint.")
    ] = False,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Extract codes and teacher targets ahead of training, then stop.")
    ] = False,
    minutes: Annotated[float | None, typer.Option(min=0, help="Stop after this many minutes.")] = None,
) -> None:
    """Train a model and write its checkpoint, log.csv, curve.png, TensorBoard events and audio to the run's folder."""
    from restorebench.benchmark.core.progress import show
    from restorebench.systems.training import require_training_packages

    require_training_packages()
    from restorebench.benchmark.core.outputs import require_folder
    from restorebench.systems.training.loop import train as train_model
    from restorebench.systems.training.prepare import prepare as prepare_features

    folder = out or Path("runs") / Path(config).name.removesuffix(".toml")
    require_folder(folder)
    if prepare:
        _print_status(f"prepared features: {prepare_features(config, folder, show)}")
    else:
        trained = train_model(config, folder, resume, minutes, show)
        _print_status(f"checkpoint: {trained.checkpoint}  (curve.png, log.csv, audio/, tensorboard/ beside it)")
        if trained.done < trained.planned:
            _print_status(f"stopped at step {trained.done} of {trained.planned}; add --resume to go on")
