"""The recordings that a run trains on, listed once, so that a resumed run need not open every file of a corpus.

The list is a table beside the run's log, `recordings-train.arrow`. It is memory-mapped, so that ten million rows use
almost no memory of a process. Recordings that cannot be read are left out; their number and the first few are printed.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import soundfile

from restorebench.benchmark import registry
from restorebench.benchmark.audio import fit, resample, samples_for
from restorebench.benchmark.core.atomic import open_atomic
from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.core.text import decodable
from restorebench.benchmark.data.locations import ARCHIVED, archived, audio_files, resolve_uri
from restorebench.benchmark.errors import AudioError, RequestError, reason
from restorebench.benchmark.suite import CorpusSpec
from restorebench.benchmark.types import FloatArray, Utterance
from restorebench.systems.training.config import RunConfig

MOST_UNREADABLE = 0.05
"""Largest accepted share of unreadable recordings."""
SHOWN = 3
"""Number of unreadable recordings that a message names."""
READERS = 16
"""Number of threads that read file headers in parallel."""
TEXTS = ("corpus", "id", "uri", "text", "language", "speaker", "licence")
SCHEMA = pa.schema([*((name, pa.large_string()) for name in TEXTS), ("rate", pa.int32()), ("frames", pa.int64())])
Progress = Callable[[str, int, Iterator[int]], None]
Row = TypeVar("Row")


@dataclass(frozen=True)
class Recording:
    uri: str
    rate: int
    frames: int

    @classmethod
    def of(cls, utterance: Utterance) -> Recording:
        """Raises AudioError for a file that is empty, not mono, or cannot be read."""
        assert utterance.uri is not None
        with _sound(utterance.uri) as file:
            if file.channels != 1 or file.frames <= 0:
                raise AudioError(
                    f"{utterance.uri}: {file.channels} channels, {file.frames} samples; wanted mono speech"
                )
            return cls(utterance.uri, file.samplerate, file.frames)

    @property
    def seconds(self) -> float:
        return self.frames / self.rate

    def crop(self, start_s: float, seconds: float, rate: int) -> tuple[FloatArray, float]:
        """`seconds` of the recording at `rate`, and the share of it that is padding on the right."""
        start, count = samples_for(start_s, self.rate), samples_for(seconds, self.rate)
        with _sound(self.uri) as file:
            file.seek(min(start, self.frames))
            read = file.read(count, dtype="float32")
        samples = fit(resample(read, self.rate, rate), samples_for(seconds, rate))
        return samples, 1 - len(read) / count


def _sound(uri: str) -> soundfile.SoundFile:
    """The opened file, or the opened member of an archive, without unpacking the archive. Raises AudioError."""
    try:
        if member := archived(uri):
            with resolve_uri(member.archive).open("rb") as archive:
                archive.seek(member.offset)
                return soundfile.SoundFile(io.BytesIO(archive.read(member.size)))
        path = resolve_uri(uri)
        if path.exists() and not path.is_file():
            raise AudioError(f"{uri}: is not a regular file")
        return soundfile.SoundFile(os.fsencode(path))
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{uri}: cannot be read as audio ({error.error_string.rstrip('.')})") from error


class _Rows(Sequence[Row]):
    """Rows of a table; each row is converted to Python objects when it is accessed."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def row(self, index: int) -> Row:
        raise NotImplementedError

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self.row(number) for number in range(*index.indices(len(self)))]
        return self.row(index)


class _Column(_Rows[str]):
    """One column of texts."""

    def __init__(self, table: pa.Table, name: str) -> None:
        super().__init__(table)
        self.name = name

    def row(self, index: int) -> str:
        return str(self.table[self.name][index].as_py())


class Recordings(_Rows[Recording]):
    """The list of a run's recordings."""

    def __init__(self, table: pa.Table, path: Path | None = None) -> None:
        """path: the file that holds the table; other processes memory-map it instead of receiving a copy."""
        super().__init__(table)
        self.path = path
        rates = table["rate"].to_numpy()
        self.seconds: np.ndarray[Any, np.dtype[np.float64]] = table["frames"].to_numpy() / rates

    def __reduce__(self) -> tuple[Any, ...]:
        return (Recordings, (self.table,)) if self.path is None else (open_list, (self.path,))

    def row(self, index: int) -> Recording:
        return Recording(*(self.table[name][index].as_py() for name in ("uri", "rate", "frames")))

    @property
    def any_archived(self) -> bool:
        """Whether a recording lies within an archive."""
        return bool(pc.any(pc.match_substring_regex(self.table["uri"], f"^{ARCHIVED.pattern}$")).as_py())

    def column(self, name: str) -> list[Any]:
        return list(self.table[name].to_pylist())

    @property
    def uris(self) -> Sequence[str]:
        return _Column(self.table, "uri")

    @property
    def ids(self) -> Sequence[str]:
        return _Column(self.table, "id")

    def utterances(self) -> list[Utterance]:
        names = ("id", "uri", "text", "language", "speaker", "licence")
        return [Utterance(**{name: row[name] for name in names}) for row in self.table.to_pylist()]


def recordings_of(corpora: Sequence[CorpusSpec], path: Path | None, progress: Progress) -> Recordings:
    """The recordings of corpora: read from the list at `path` if it lists the same corpora, else listed anew and saved.

    Raises RequestError when a corpus is missing, or more than 5 % of the recordings cannot be read.
    """
    identity = digest(*(spec.model_dump_json() for spec in corpora))
    if path is not None and path.is_file():
        saved = open_list(path)
        if saved.table.schema.metadata == {b"corpora": identity.encode()}:
            print(
                f"training: {len(saved)} recordings as listed in {path}; remove it to list them again", file=sys.stderr
            )
            return saved
    table = _listed(corpora, progress).replace_schema_metadata({"corpora": identity})
    if path is None:
        return Recordings(table)
    with open_atomic(path) as part, pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table)
    return open_list(path)


def speech_of(run: RunConfig, out: Path, progress: Progress) -> Recordings:
    """The recordings that a run trains on; their list is stored beside the run's log.

    Raises RequestError also when the run would use speakers or noise that test sets hold out.
    """
    path = out / "recordings-train.arrow"
    recordings = recordings_of(run.data.speech, path, progress)
    try:
        columns = (recordings.column(name) for name in ("corpus", "id", "uri", "speaker"))
        require_not_held_out(run, zip(*columns, strict=True))
    except RequestError:
        path.unlink(missing_ok=True)  # so that the next start lists the corpora again
        raise
    return recordings


def require_not_held_out(run: RunConfig, clips: Iterable[tuple[str, str, str, str]]) -> None:
    """Raises RequestError when a clip (corpus, id, URI, speaker) or the noise folder is of held-out test material.

    VCTK's file names (p360_001) are refused in every corpus and archive. Speaker names are compared for VCTK only, as
    other corpora have speakers of the same names.
    """
    file_name = re.compile(rf"(?:^|/)({'|'.join(map(re.escape, run.data.held_out))})_\d{{3}}")
    speakers = {*run.data.held_out}
    held_out = [
        clip
        for corpus, clip, uri, speaker in clips
        if file_name.search(clip) or file_name.search(uri) or (corpus == "vctk" and speaker in speakers)
    ]
    if held_out and run.data.held_out:
        raise RequestError(
            f"{run.name}: {len(held_out)} recordings are of speakers that test sets hold out ({held_out[0]}); leave "
            "them out, or set held_out = [] under [data]"
        )
    _require_noise_not_held_out(run)


def _require_noise_not_held_out(run: RunConfig) -> None:
    """Raises RequestError for a noise folder with held-out files: collections such as DNS's contain parts of DEMAND."""
    folder = str(run.data.options.get("noise", ""))
    if not run.data.held_out_noise or not ("/" in folder or folder.startswith("data:")):
        return
    files = audio_files(folder, str(run.data.options.get("noise_split", "")))
    top = PurePosixPath(folder.rstrip("/")).name
    below = {name: f"{top}{name.removeprefix(folder)}".lower() for name in files}
    if held_out := [name for name, path in below.items() if any(word in path for word in run.data.held_out_noise)]:
        raise RequestError(
            f"{run.name}: {len(held_out)} noises are of a test set ({held_out[0]}); remove them, or set "
            "held_out_noise = [] under [data]"
        )


def open_list(path: Path) -> Recordings:
    """The list of recordings in a file. Raises RequestError for a file that is no such list."""
    try:
        return Recordings(pa.ipc.open_file(pa.memory_map(str(path))).read_all(), path)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise RequestError(f"{path}: is no list of recordings ({reason(error)}); remove it and start again") from error


def _listed(corpora: Sequence[CorpusSpec], progress: Progress) -> pa.Table:
    rows: list[dict[str, Any]] = []
    listed = [
        (spec.reader, utterance)
        for spec in corpora
        for utterance in registry.create("corpora", spec.reader, **spec.options).utterances()
        if utterance.uri
    ]
    unreadable: list[str] = []

    def steps() -> Iterator[int]:
        with ThreadPoolExecutor(READERS) as pool:
            read = pool.map(_recording_or_reason, (utterance for _, utterance in listed))
            for (corpus, utterance), recording in zip(listed, read, strict=True):
                if isinstance(recording, str):
                    unreadable.append(recording)
                else:
                    texts = {name: _writable(getattr(utterance, name)) for name in TEXTS[1:]}
                    rows.append({"corpus": corpus, **texts, "rate": recording.rate, "frames": recording.frames})
                yield 1

    progress("list recordings", len(listed), steps())
    if unreadable:
        report = f"{len(unreadable)} of {len(listed)} recordings cannot be trained on: {'; '.join(unreadable[:SHOWN])}"
        if len(unreadable) > MOST_UNREADABLE * len(listed):
            raise RequestError(f"{report}; at most {MOST_UNREADABLE:.0%} are left out: repair or remove the files")
        print(f"training: {report}", file=sys.stderr)
    return pa.Table.from_pylist(rows, SCHEMA)


def _writable(text: str | None) -> str | None:
    """The text, with a question mark in place of each surrogate code point, which a table of UTF-8 cannot hold."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")


def _recording_or_reason(utterance: Utterance) -> Recording | str:
    """The recording, or the reason why it cannot be read."""
    uri = utterance.uri or ""
    if decodable(uri) != uri:
        return f"{decodable(uri)}: its name is not UTF-8; rename it"
    try:
        return Recording.of(utterance)
    except (AudioError, RequestError, OSError) as error:
        return reason(error)
