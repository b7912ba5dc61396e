"""DNS Challenge test sets: a `noisy` folder and, for the synthetic ones, a `clean` folder paired by `fileid_N`."""

from __future__ import annotations

import re

from restorebench.benchmark.data.corpora.catalogue import fetch_hint
from restorebench.benchmark.data.locations import resolve_uri, sha256_if_readable
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Utterance


class DnsTestSet:
    def __init__(self, root: str, noisy: str = "noisy", clean: str = "clean", only: str = "*.wav") -> None:
        """only: a pattern of file names, for a folder with both recorded and synthetic clips."""
        self.root, self.noisy, self.clean, self.only = root, noisy, clean, only

    def utterances(self) -> list[Utterance]:
        folder = resolve_uri(f"{self.root}/{self.noisy}")
        if not folder.is_dir():
            raise RequestError(f"the DNS Challenge's test set is not at {folder}{fetch_hint(self.root)}")
        paths = sorted(folder.glob(self.only))
        if not paths:
            raise RequestError(f"{folder} holds no {self.only} files; wanted the challenge's noisy clips")
        return [
            Utterance(
                id=path.stem,
                uri=self._clean_uri(path.stem),
                degraded=f"{self.root}/{self.noisy}/{path.name}",
                sha256=sha256_if_readable(path),
                licence="DNS Challenge test set",
            )
            for path in paths
        ]

    def _clean_uri(self, noisy_id: str) -> str | None:
        if not self.clean:
            return None
        file_id = re.search(r"fileid_(\d+)", noisy_id)
        uri = f"{self.root}/{self.clean}/clean_fileid_{file_id.group(1) if file_id else '?'}.wav"
        if not resolve_uri(uri).is_file():
            raise RequestError(f"{noisy_id}: its clean version is not at {resolve_uri(uri)}")
        return uri
