"""Speech that was made elsewhere: `published:DIR`, a folder in the layout of `restorebench speech --prompts`.

That command writes a folder for each restoration system: `meta.lst`, and the restored clips, which serve as prompts.
Another program, such as your own TTS or the official script of a model that has no adapter here, adds `UTT.wav` beside
`meta.lst`. The file of a request is looked up by the prompt's samples and the text. This class cannot check whether the
other program really used that prompt.
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
        return [self._read_speech(request) for request in requests]

    def _read_speech(self, request: SpeechRequest) -> Audio:
        path = self.speech.get((request.prompt.sha256(), _plain(request.text)))
        if path is None:
            raise AudioError(
                f"{self.folder}: no meta.lst has this prompt with this text; run `restorebench speech --prompts` again"
            )
        if not path.is_file():
            raise AudioError(f"{path}: was not synthesized; wanted the speech of a line of meta.lst")
        return read(path)

    @cached_property
    def speech(self) -> dict[tuple[str, str], Path]:
        """(hash of the prompt, text) -> file of its speech."""
        paths = {}
        for meta in self.metas:
            for line in meta_lines(meta):
                prompt = read(meta.parent / line.prompt_wav)
                paths[prompt.sha256(), _plain(line.infer_text)] = meta.parent / f"{line.utt}.wav"
        return paths


def _plain(text: str) -> str:
    """The text as a line of meta.lst can hold it: each run of whitespace is one space."""
    return " ".join(text.split())
