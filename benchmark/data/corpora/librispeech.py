"""LibriSpeech's own layout: `SPLIT/SPEAKER/CHAPTER/SPEAKER-CHAPTER-NNNN.flac` with one `.trans.txt` per chapter."""

from __future__ import annotations

from itertools import groupby, islice
from pathlib import Path

from restorebench.benchmark.core.files import visible
from restorebench.benchmark.core.text import read_text
from restorebench.benchmark.data.corpora.catalogue import fetch_hint
from restorebench.benchmark.data.locations import resolve_uri, sha256_if_readable
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Utterance


class LibriSpeech:
    def __init__(
        self,
        root: str = "data:LibriSpeech",
        split: str = "test-clean",
        per_speaker: int | None = None,
        without: tuple[str, ...] = (),
        hashes: bool = True,
    ) -> None:
        """without: speakers that are left out, such as those of a test set. hashes: whether each file is hashed;
        training does not need hashes."""
        self.root, self.split, self.per_speaker, self.without = root, split, per_speaker, frozenset(without)
        self.hashes = hashes

    def utterances(self) -> list[Utterance]:
        folder = resolve_uri(f"{self.root}/{self.split}")
        if not folder.is_dir():
            todo = (
                fetch_hint(f"{self.root}/{self.split}")
                or "; download it from openslr.org/12 (CC BY 4.0) and unpack it there"
            )
            raise RequestError(f"LibriSpeech {self.split} is not at {folder}{todo}")
        paths = [path for path in visible(folder.glob("*/*/*.flac")) if path.parts[-3] not in self.without]
        if not paths:
            raise RequestError(f"{folder} holds no SPEAKER/CHAPTER/*.flac; wanted LibriSpeech's own layout")
        chosen = [p for _, group in groupby(paths, lambda p: p.parts[-3]) for p in islice(group, self.per_speaker)]
        texts = {}
        for chapter in dict.fromkeys(path.parent for path in chosen):
            texts.update(transcripts(chapter))
        if untranscribed := next((path for path in chosen if path.stem not in texts), None):
            raise RequestError(
                f"{untranscribed.parent}: no transcript of {untranscribed.stem}; "
                "the copy is incomplete; get the corpus again"
            )
        return [
            Utterance(
                id=path.stem,
                uri=f"{self.root}/{self.split}/{path.relative_to(folder).as_posix()}",
                sha256=sha256_if_readable(path) if self.hashes else "",
                text=texts[path.stem],
                speaker=path.parts[-3],
                licence="CC BY 4.0 (LibriSpeech)",
            )
            for path in chosen
        ]


def transcripts(chapter: Path) -> dict[str, str]:
    """Clip -> text. Raises RequestError when the chapter's transcript file is missing."""
    path = chapter / f"{chapter.parent.name}-{chapter.name}.trans.txt"
    if not path.is_file():
        raise RequestError(f"{path}: no such file; wanted LibriSpeech's own layout")
    lines = (line.rstrip("\r").partition(" ") for line in read_text(path).split("\n") if line.strip())
    return {clip: text for clip, _, text in lines}
