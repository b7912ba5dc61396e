"""Speech that was made elsewhere: `published:DIR`, a folder as `restorebench speech --prompts` lays it out.

Each system's folder has `meta.lst` and the prompts that its outputs are; a TTS of one's own, or the official script
of a model that has no adapter here, writes `UTT.wav` beside it. A request is found by its prompt's samples and its
text; that a file was made from that prompt is up to whoever made it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from restorebench.benchmark.audio import read
from restorebench.benchmark.contracts import SpeechRequest, SynthesizerCard
from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.data.corpora.seedtts import meta_lines
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.benchmark.types import Audio

META = "meta.lst"


class Published:
    card = SynthesizerCard(
        name="published",
        version=1,
        summary="published:DIR, speech that was made elsewhere from the prompts of `restorebench speech --prompts`",
        source="the folder",
        licence="its owner's",
        rate=24_000,
        languages=("en", "zh"),
        argument="DIR",
    )

    def __init__(self, folder: str = "") -> None:
        """Raises RequestError when the folder holds no speech."""
        self.folder = Path(folder)
        self.metas = sorted(self.folder.rglob(META)) if folder else []
        sounds = [path for meta in self.metas for path in sorted(meta.parent.glob("*.wav"))]
        if not sounds:
            raise RequestError(
                f"published:{folder}: no speech; wanted DIR/SYSTEM/UTT.wav beside the meta.lst of "
                "`restorebench speech STORE --prompts --out DIR`"
            )
        identity = digest(*(f"{path.relative_to(self.folder)} {file_sha256(path)}" for path in [*self.metas, *sounds]))
        self.card = self.card.model_copy(
            update={"name": f"published:{folder}", "rate": read(sounds[0]).rate, "identity": identity}
        )

    def synthesize(self, requests: Sequence[SpeechRequest]) -> list[Audio]:
        return [self._said(request) for request in requests]

    def _said(self, request: SpeechRequest) -> Audio:
        path = self.speech.get((request.prompt.sha256(), _plain(request.text)))
        if path is None:
            raise AudioError(f"{self.folder}: no meta.lst has this prompt and text; write the prompts again")
        if not path.is_file():
            raise AudioError(f"{path}: was not synthesized")
        return read(path)

    @cached_property
    def speech(self) -> dict[tuple[str, str], Path]:
        """(hash of the prompt, text) -> file of its speech."""
        known = {}
        for meta in self.metas:
            for line in meta_lines(meta):
                prompt = read(meta.parent / line.prompt_wav)
                known[prompt.sha256(), _plain(line.infer_text)] = meta.parent / f"{line.utt}.wav"
        return known


def _plain(text: str) -> str:
    """The text as meta.lst can hold it: with single spaces."""
    return " ".join(text.split())
