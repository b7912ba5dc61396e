"""Any folder of audio files, with an optional CSV of transcripts; ids are paths below the folder without suffix."""

from __future__ import annotations

from pathlib import PurePosixPath

from restorebench.benchmark.corpora.texts import read_texts
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.locations import audio_files, file_sha256, resolve
from restorebench.benchmark.types import Utterance


class Folder:
    def __init__(self, path: str, texts: str | None = None, language: str = "en", hashes: bool = True) -> None:
        """hashes: whether each file is hashed now; a test set wants that, 800 hours of training speech do not."""
        self.path, self.texts, self.language, self.hashes = path, texts, language, hashes

    def utterances(self) -> list[Utterance]:
        texts = read_texts(resolve(self.texts)) if self.texts else {}
        by_id: dict[str, str] = {}
        for uri in audio_files(self.path):
            clip = PurePosixPath(uri.removeprefix(self.path.rstrip("/") + "/")).with_suffix("").as_posix()
            if clip in by_id:
                raise RequestError(f"{self.path}: {by_id[clip]} and {uri} share the id {clip!r}; rename one")
            by_id[clip] = uri
        return [
            Utterance(
                id=clip,
                uri=uri,
                sha256=file_sha256(resolve(uri)) if self.hashes else "",
                text=texts.get(clip),
                language=self.language,
            )
            for clip, uri in by_id.items()
        ]
