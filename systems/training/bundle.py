"""Packs training material so that it is small enough to copy to a machine with a GPU.

Speech and noise are Opus; labels and room impulse responses are compressed arrays.

`pack` splits the recordings over parts, each a self-contained folder; `unpack` joins any number of them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.core.pool import process_pool
from restorebench.benchmark.errors import RequestError
from restorebench.systems.training.material import HOP, RATE, Material, Recording, save_array, to_int16
from restorebench.systems.training.task import Progress

PIECE_S = 600
"""Recordings are joined into files of about this length in seconds."""
NOISE_KBPS = 24.0
LIBSNDFILE_KBPS = (6.0, 256.0)
"""Bit rates per channel that correspond to libsndfile's compression levels 1 and 0."""
MOST_KBPS = 32.0


def pack(material: Material, out: Path, megabytes: float, parts: int, progress: Progress) -> list[Path]:
    """Writes `parts` folders of at most about `megabytes` each.

    Labels, noise and room impulse responses are written first; the rest of the size determines the bit rate of speech.
    Raises RequestError when less than 10 kbit/s is left for speech.
    """
    folders = []
    for number in range(parts):
        folder = out / f"part-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        indices = list(range(number, len(material.recordings), parts))
        _pack_labels(material, indices, folder)
        bytes_left = megabytes * 1e6 - sum(path.stat().st_size for path in folder.iterdir())
        seconds = sum(material.recordings[index].frames for index in indices) * HOP / RATE
        kbps = min(MOST_KBPS, bytes_left * 8 / seconds / 1000 * 0.97)
        if kbps < 10:
            raise RequestError(
                f"{megabytes:g} MB leave {kbps:.1f} kbit/s for speech; wanted at least 10: raise --megabytes or --parts"
            )
        groups = _groups([material.recordings[index].frames for index in indices])
        jobs = [
            (material.folder, [indices[i] for i in group], folder / f"speech-{n:03d}.opus", kbps)
            for n, group in enumerate(groups)
        ]

        def steps(jobs: list[Any] = jobs) -> Iterator[int]:
            with process_pool() as pool:
                for _ in pool.map(_encode, jobs):
                    yield 1

        progress(f"part {number} at {kbps:.1f} kbit/s", len(jobs), steps())
        folders.append(folder)
    return folders


def _pack_labels(material: Material, indices: list[int], folder: Path) -> None:
    frames = np.concatenate([np.arange(material.starts[i], material.starts[i + 1]) for i in indices])
    with (folder / "labels.npz").open("wb") as file:
        np.savez_compressed(file, phones=material.phones[frames], units=material.units[frames])
    rirs = {f"{index:04d}": rir.astype(np.float16) for index, rir in enumerate(material.rirs)}
    with (folder / "rirs.npz").open("wb") as file:
        np.savez_compressed(file, **rirs)  # type: ignore[arg-type]
    write_opus(folder / "noise.opus", np.asarray(material.noise), NOISE_KBPS)
    listed = [asdict(material.recordings[index]) for index in indices]
    write_atomic(folder / "recordings.json", json.dumps(listed).encode())


def _groups(frames: Sequence[int]) -> list[list[int]]:
    """Indices of recordings, in order, in groups of about ten minutes. frames: the length of each recording."""
    groups: list[list[int]] = [[]]
    length = 0
    for index, count in enumerate(frames):
        if length > PIECE_S * RATE // HOP:
            groups.append([])
            length = 0
        groups[-1].append(index)
        length += count
    return groups


def _encode(job: tuple[Path, list[int], Path, float]) -> None:
    folder, indices, path, kbps = job
    material = Material(folder)
    pieces = [material.speech[material.starts[i] * HOP : material.starts[i + 1] * HOP] for i in indices]
    write_opus(path, np.concatenate(pieces), kbps)


def write_opus(path: Path, samples: NDArray[np.int16], kbps: float) -> None:
    least, most = LIBSNDFILE_KBPS
    level = 1 - (kbps - least) / (most - least)
    with soundfile.SoundFile(path, "w", RATE, 1, format="OGG", subtype="OPUS", compression_level=level) as file:
        file.write(samples)


def unpack(parts: Sequence[Path], out: Path, progress: Progress) -> Material:
    """Joins parts into training material. Raises RequestError when speech and recordings.json do not match."""
    out.mkdir(parents=True, exist_ok=True)
    recordings = [Recording(**entry) for part in parts for entry in json.loads((part / "recordings.json").read_text())]
    files = [path for part in parts for path in sorted(part.glob("speech-*.opus"))]
    decoded: list[NDArray[np.int16]] = []

    def steps() -> Iterator[int]:
        with process_pool() as pool:
            for samples in pool.map(_decode, files):
                decoded.append(samples)
                yield 1

    progress("decode speech", len(files), steps())
    speech = np.concatenate(decoded)
    if len(speech) != (wanted := sum(recording.frames for recording in recordings) * HOP):
        raise RequestError(
            f"{parts[0].parent}: {len(speech)} samples of speech, recordings.json lists {wanted}; copy the parts again"
        )
    labels = [np.load(part / "labels.npz") for part in parts]
    for name in ("phones", "units"):
        save_array(out / f"{name}.npy", np.concatenate([label[name] for label in labels]))
    save_array(out / "speech.npy", speech)
    save_array(out / "noise.npy", _decode(parts[0] / "noise.opus"))
    with np.load(parts[0] / "rirs.npz") as packed, (out / "rirs.npz").open("wb") as file:
        np.savez(file, **{name: packed[name].astype(np.float32) for name in packed.files})
    write_atomic(out / "recordings.json", json.dumps([asdict(recording) for recording in recordings]).encode())
    return Material(out)


def _decode(path: Path) -> NDArray[np.int16]:
    samples, rate = soundfile.read(path, dtype="float32")
    if rate != RATE:  # Opus files of other programs have a rate of 48 kHz
        raise RequestError(f"{path}: {rate} Hz, wanted {RATE} Hz; unpack files that `nano pack` wrote")
    return to_int16(samples)
