"""Any folder of audio files, with an optional CSV of transcripts; ids are paths below the folder without suffix."""

from __future__ import annotations

from pathlib import PurePosixPath

from restorebench.benchmark.core.text import decodable, read_text
from restorebench.benchmark.data.corpora.texts import read_texts
from restorebench.benchmark.data.locations import audio_files, resolve_uri, sha256_if_readable
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Utterance

BESIDE = "beside"


class Folder:
    def __init__(
        self,
        path: str,
        texts: str | None = None,
        language: str = "en",
        hashes: bool = True,
        speaker: str = "",
        licence: str = "",
    ) -> None:
        """texts: a CSV, or `beside` for a `.txt` beside each clip. hashes: whether each file is hashed; a test set
        needs hashes, training speech does not. speaker: name of the speaker, if all clips have the same speaker."""
        self.path, self.texts, self.language, self.hashes = path, texts, language, hashes
        self.speaker, self.licence = speaker, licence

    def utterances(self) -> list[Utterance]:
        texts = read_texts(resolve_uri(self.texts)) if self.texts and self.texts != BESIDE else {}
        by_id: dict[str, str] = {}
        for uri in audio_files(self.path):
            clip = decodable(PurePosixPath(uri.removeprefix(self.path.rstrip("/") + "/")).with_suffix("").as_posix())
            if clip in by_id:
                raise RequestError(f"{self.path}: {by_id[clip]} and {uri} share the id {clip!r}; rename one")
            by_id[clip] = uri
        return [
            Utterance(
                id=clip,
                uri=uri,
                sha256=sha256_if_readable(resolve_uri(uri)) if self.hashes else "",
                text=self._text_beside(uri) if self.texts == BESIDE else texts.get(clip),
                language=self.language,
                speaker=self.speaker,
                licence=self.licence,
            )
            for clip, uri in by_id.items()
        ]

    def _text_beside(self, uri: str) -> str | None:
        path = resolve_uri(uri).with_suffix(".txt")
        return read_text(path).strip() if path.is_file() else None
