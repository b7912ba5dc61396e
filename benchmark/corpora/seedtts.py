"""SeedTTS test sets: `LANGUAGE/meta.lst`, lines of `utt|prompt_text|prompt_wav|infer_text[|infer_wav]`.

The prompts are the clean speech that is degraded; the text of an utterance is its prompt's.
"""

from __future__ import annotations

from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.locations import file_sha256, resolve
from restorebench.benchmark.types import Utterance


class SeedTts:
    def __init__(self, language: str, root: str = "data:seedtts_testset") -> None:
        self.language, self.root = language, root

    def utterances(self) -> list[Utterance]:
        lines = resolve(f"{self.root}/{self.language}/meta.lst")
        if not lines.is_file():
            raise RequestError(
                f"SeedTTS test-{self.language} is not at {lines}; unpack the archive that "
                "github.com/BytedanceSpeech/seed-tts-eval links to there"
            )
        found = []
        for number, line in enumerate(lines.read_text(encoding="utf-8").splitlines(), start=1):
            fields = line.split("|")
            if len(fields) not in (4, 5):
                raise RequestError(f"{lines}, line {number}: {len(fields)} fields; wanted 4 or 5, separated by |")
            clip, text, prompt = fields[:3]
            uri = f"{self.root}/{self.language}/{prompt}"
            found.append(
                Utterance(
                    id=clip,
                    uri=uri,
                    sha256=file_sha256(resolve(uri)),
                    text=text,
                    language=self.language,
                    speaker=clip.partition("-")[0],
                    licence="see the SeedTTS test set",
                )
            )
        return found
