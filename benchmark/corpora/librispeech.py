"""LibriSpeech's own layout: `SPLIT/SPEAKER/CHAPTER/SPEAKER-CHAPTER-NNNN.flac` with one `.trans.txt` per chapter."""

from __future__ import annotations

from itertools import groupby, islice

from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.locations import file_sha256, resolve
from restorebench.benchmark.types import Utterance


class LibriSpeech:
    def __init__(
        self, root: str = "data:LibriSpeech", split: str = "test-clean", per_speaker: int | None = None
    ) -> None:
        self.root, self.split, self.per_speaker = root, split, per_speaker

    def utterances(self) -> list[Utterance]:
        folder = resolve(f"{self.root}/{self.split}")
        if not folder.is_dir():
            raise RequestError(f"LibriSpeech {self.split} is not at {folder}; put it there (CC BY 4.0, openslr.org/12)")
        texts = {}
        for path in sorted(folder.glob("*/*/*.trans.txt")):
            for line in path.read_text(encoding="utf-8").splitlines():
                clip, _, text = line.partition(" ")
                texts[clip] = text
        paths = sorted(folder.glob("*/*/*.flac"))
        if not paths:
            raise RequestError(f"{folder} holds no SPEAKER/CHAPTER/*.flac; wanted LibriSpeech's own layout")
        chosen = [p for _, group in groupby(paths, lambda p: p.parts[-3]) for p in islice(group, self.per_speaker)]
        return [
            Utterance(
                id=path.stem,
                uri=f"{self.root}/{self.split}/{path.relative_to(folder).as_posix()}",
                sha256=file_sha256(path),
                text=texts.get(path.stem),
                speaker=path.parts[-3],
                licence="CC BY 4.0 (LibriSpeech)",
            )
            for path in chosen
        ]
