"""Restores one recording or a folder of them with a system: `restorebench restore`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from restorebench.benchmark.audio import read, write_float
from restorebench.benchmark.components import runnable_system
from restorebench.benchmark.core.outputs import require_file, require_folder
from restorebench.benchmark.core.progress import Progress, silent
from restorebench.benchmark.errors import RequestError, reason
from restorebench.benchmark.folders.score import files_by_id
from restorebench.benchmark.run.restore import restore_audio


def restore_files(
    source: Path, target: Path, system: str, seed: int = 0, progress: Progress = silent
) -> tuple[int, list[str]]:
    """The number of files written, and the error lines. Raises RequestError for an error that affects all files."""
    component = runnable_system(system)
    pairs, faults = _pairs(source, target)
    written: list[Path] = []

    def steps() -> Iterator[int]:
        for input_path, output_path in pairs:
            try:
                restored, _ = restore_audio(component, read(input_path), seed)
                write_float(output_path, restored)
                written.append(output_path)
            except RequestError:
                raise  # an error that affects all files, such as weights that do not fit
            except Exception as error:
                faults.append(f"{input_path}: {reason(error)}")
            yield 1

    progress("restore", len(pairs), steps())
    return len(written), faults


def _pairs(source: Path, target: Path) -> tuple[list[tuple[Path, Path]], list[str]]:
    """(input, output) of every file, and an error line for each id that several inputs share."""
    (require_folder if source.is_dir() else require_file)(target)
    if not source.is_dir():
        if not source.is_file():
            raise RequestError(f"{source}: no such file or folder; name a recording or a folder of recordings")
        if target.suffix.lower() != ".wav":
            raise RequestError(f"{target}: wanted a name that ends in .wav")
        pairs, faults = [(source, target)], []
    else:
        files = files_by_id(source)
        pairs = [(paths[0], target / f"{clip}.wav") for clip, paths in files.items() if len(paths) == 1]
        shared = [(clip, paths) for clip, paths in files.items() if len(paths) > 1]
        faults = [
            f"{clip}: {', '.join(p.name for p in paths)} would share one output; rename one" for clip, paths in shared
        ]
    if {path.resolve() for path, _ in pairs} & {path.resolve() for _, path in pairs}:
        raise RequestError(f"{target}: the output would overwrite its input; name another file or folder")
    return pairs, faults
