"""SeedTTS test sets: `LANGUAGE/meta.lst`, lines of `utt|prompt_text|prompt_wav|infer_text[|infer_wav]`.

Without `spoken`, the clips are the clean prompts, which are degraded and restored; a clip's text is that of its prompt,
and a synthesizer, if the suite has one, speaks the clip's `infer_text`.
`spoken` names a folder of generated speech, `SYSTEM/UTT.wav`: the output of a zero-shot TTS whose prompts were restored
by SYSTEM. `unprocessed` has the output for degraded prompts that were not restored. A clip's text is then the text that
the TTS had to say, and the reference is the clean prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from restorebench.benchmark.core.text import read_text
from restorebench.benchmark.data.corpora.catalogue import command
from restorebench.benchmark.data.locations import resolve_uri, sha256_if_readable
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Utterance


@dataclass(frozen=True)
class MetaLine:
    """A line of meta.lst."""

    utt: str
    prompt_text: str
    prompt_wav: str
    """Relative to the file's folder."""
    infer_text: str
    where: str
    """File and line, for messages."""


def meta_lines(path: Path) -> list[MetaLine]:
    """The lines of a meta.lst. Raises RequestError naming a line that does not have 4 or 5 fields."""
    lines = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        fields = line.rstrip("\r").split("|")
        where = f"{path}, line {number}"
        if not line.strip():
            continue
        if len(fields) not in (4, 5):
            raise RequestError(f"{where}: {len(fields)} fields; wanted 4 or 5, separated by |")
        utt, prompt_text, prompt_wav, infer_text = fields[:4]
        lines.append(MetaLine(utt, prompt_text, prompt_wav, infer_text, where))
    return lines


LICENCES = {"en": "CC0 (Common Voice)", "zh": "DiDiSpeech's terms"}


class SeedTts:
    def __init__(self, language: str, root: str = "data:seedtts_testset", spoken: str = "") -> None:
        self.language, self.root, self.spoken = language, root, spoken

    def utterances(self) -> list[Utterance]:
        meta_path = resolve_uri(f"{self.root}/{self.language}/meta.lst")
        if not meta_path.is_file():
            raise RequestError(f"SeedTTS test-{self.language} is not at {meta_path}; run: {command('seedtts')}")
        return [self._utterance(line) for line in meta_lines(meta_path)]

    def _utterance(self, line: MetaLine) -> Utterance:
        clip = line.utt
        uri = f"{self.root}/{self.language}/{line.prompt_wav}"
        if not resolve_uri(uri).is_file():
            raise RequestError(f"{line.where}: its prompt is not at {resolve_uri(uri)}; run: {command('seedtts')}")
        degraded = f"{self.spoken}/unprocessed/{clip}.wav" if self.spoken else None
        if degraded and not resolve_uri(degraded).is_file():
            raise RequestError(
                f"{resolve_uri(degraded)}: no such file; wanted the speech of a TTS for the degraded prompt of "
                f"{clip}; put each system's speech into a folder beside {self.spoken}/unprocessed"
            )
        return Utterance(
            id=clip,
            uri=uri,
            degraded=degraded,
            sha256=sha256_if_readable(resolve_uri(degraded or uri)),
            text=line.infer_text if self.spoken else line.prompt_text,
            say=None if self.spoken else line.infer_text,
            language=self.language,
            speaker=clip.partition("-")[0],
            licence=LICENCES.get(self.language, "see the SeedTTS test set"),
        )
