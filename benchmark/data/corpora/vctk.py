"""VCTK 0.92: `wav48_silence_trimmed/SPEAKER/SPEAKER_NNN_mic1.flac` and `txt/SPEAKER/SPEAKER_NNN.txt`."""

from __future__ import annotations

from restorebench.benchmark.core.text import read_text
from restorebench.benchmark.data.corpora.catalogue import VCTK_HELD_OUT, command
from restorebench.benchmark.data.locations import resolve_uri, sha256_if_readable
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Utterance

TEXTLESS = ("p315",)
"""Speakers without transcripts: the authors of VCTK have lost the transcripts of p315."""


class Vctk:
    def __init__(
        self,
        root: str = "data:vctk",
        speakers: tuple[str, ...] = VCTK_HELD_OUT,
        per_speaker: int | None = None,
        without: tuple[str, ...] = (),
        hashes: bool = True,
    ) -> None:
        """speakers: names of speakers; empty: all speakers of the copy. without: speakers that are left out, such as
        those of a test set. hashes: whether each file is hashed; training does not need hashes."""
        self.root, self.speakers, self.per_speaker = root, tuple(speakers), per_speaker
        self.without, self.hashes = frozenset(without), hashes

    def utterances(self) -> list[Utterance]:
        audio = resolve_uri(f"{self.root}/wav48_silence_trimmed")
        if not audio.is_dir():
            raise RequestError(f"VCTK 0.92 is not at {audio}; run: {command('vctk')}")
        utterances = []
        named = self.speakers or tuple(sorted(path.name for path in audio.iterdir() if path.is_dir()))
        for speaker in (name for name in named if name not in self.without):
            paths = sorted((audio / speaker).glob(f"{speaker}_*_mic1.flac"))
            if not paths:
                wanted = ", ".join(named)
                raise RequestError(
                    f"{audio / speaker} has no mic1 files; wanted the speakers {wanted}; run: {command('vctk')}"
                )
            text_folder = resolve_uri(f"{self.root}/txt/{speaker}")
            if not text_folder.is_dir() and speaker not in TEXTLESS:
                raise RequestError(
                    f"{text_folder}: no such folder; VCTK has transcripts of {speaker}; run: {command('vctk')}"
                )
            for path in paths[: self.per_speaker]:
                clip = path.stem.removesuffix("_mic1")
                text_path = text_folder / f"{clip}.txt"
                utterances.append(
                    Utterance(
                        id=clip,
                        uri=f"{self.root}/wav48_silence_trimmed/{speaker}/{path.name}",
                        sha256=sha256_if_readable(path) if self.hashes else "",
                        text=read_text(text_path).strip() if text_path.is_file() else None,
                        speaker=speaker,
                        licence="CC BY 4.0 (VCTK 0.92)",
                    )
                )
        return utterances
