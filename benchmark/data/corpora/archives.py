"""Speech in uncompressed tar archives, listed without unpacking: Emilia's layout, or any layout of WebDataset.

A clip is an audio file; a `.json` of the same name gives its `text`, `speaker` and `language`, or a `.txt` its text.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from restorebench.benchmark.core.files import files_below
from restorebench.benchmark.data.corpora.catalogue import fetch_hint
from restorebench.benchmark.data.corpora.fetch import require_end
from restorebench.benchmark.data.locations import AUDIO_SUFFIXES, Member, resolve_uri
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Utterance

LARGEST_NOTE = 1_000_000
"""Size in bytes above which a clip's `.json` or `.txt` is ignored."""


class Archives:
    """A corpus for training only: clips within an archive cannot be restored or scored, and have no checksum."""

    def __init__(self, path: str, language: str = "en", licence: str = "") -> None:
        """path: a folder of .tar files. language: the language of clips whose `.json` gives none."""
        self.path, self.language, self.licence = path, language, licence

    def utterances(self) -> list[Utterance]:
        """Raises RequestError for a folder without .tar files, and for a damaged or compressed .tar file."""
        folder = resolve_uri(self.path)
        archives = sorted(files_below(folder, {".tar"})) if folder.is_dir() else []
        if not archives:
            hint = fetch_hint(self.path) or "; name the folder that contains the archives"
            raise RequestError(f"{self.path}: no .tar archives{hint}")
        return [
            utterance
            for archive in archives
            for utterance in self._clips(archive, f"{self.path.rstrip('/')}/{archive.relative_to(folder).as_posix()}")
        ]

    def _clips(self, path: Path, location: str) -> Iterator[Utterance]:
        sounds: dict[str, Member] = {}
        notes: dict[str, dict[str, Any]] = {}
        try:
            with tarfile.open(path, "r:") as archive:
                for member in archive:
                    name = PurePosixPath(member.name)
                    clip = name.with_suffix("").as_posix()
                    if not member.isfile() or any(part.startswith(".") for part in name.parts):
                        continue
                    if name.suffix.lower() in AUDIO_SUFFIXES:
                        sounds[clip] = Member(location, member.offset_data, member.size)
                    elif name.suffix in (".json", ".txt") and member.size <= LARGEST_NOTE:
                        content = archive.extractfile(member).read()  # type: ignore[union-attr]
                        notes[clip] = _note(name.suffix, content, f"{path}: {member.name}")
                require_end(archive)
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise RequestError(
                f"{path}: is not a complete, uncompressed tar archive ({error}); fetch it again"
            ) from error
        for clip, sound in sounds.items():
            note = notes.get(clip, {})
            yield Utterance(
                id=clip,
                uri=sound.uri,
                text=None if note.get("text") is None else str(note["text"]),
                language=str(note.get("language") or self.language),
                speaker=str(note.get("speaker") or ""),
                licence=self.licence,
            )


def _note(suffix: str, content: bytes, where: str) -> dict[str, Any]:
    """The content of a clip's `.txt` or `.json`. Raises RequestError if it is not UTF-8 or not a JSON object."""
    try:
        text = content.decode("utf-8-sig")
        note = {"text": text.strip()} if suffix == ".txt" else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{where}: cannot be read ({error}); wanted a text, or a JSON object") from error
    if not isinstance(note, dict):
        raise RequestError(f"{where}: wanted a JSON object with `text`, `speaker` and `language`")
    return note
