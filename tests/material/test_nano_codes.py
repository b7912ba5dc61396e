"""The shipped codec uses all its codebooks on speech of speakers who are not in its training data."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from restorebench.benchmark.audio import read, resample  # noqa: E402
from restorebench.benchmark.data.corpora.manifest import Manifest  # noqa: E402
from restorebench.benchmark.data.locations import resolve_uri  # noqa: E402
from restorebench.systems.checkpoints import bundled  # noqa: E402
from restorebench.systems.tokenizers.choose import TokenizerConfig, tokenizer_of  # noqa: E402
from restorebench.systems.tokenizers.quantizer import perplexity  # noqa: E402

SPEECH = ["speech/librispeech-test-other", "speech/librispeech-test-clean"]
CODES, LEAST_PERPLEXITY = 1024, 200


@pytest.mark.heavy
def test_every_codebook_is_used(material: Path) -> None:
    """180 clips of 16 speakers; a perplexity of 1024 means that all codes are equally frequent."""
    codec = tokenizer_of(TokenizerConfig(checkpoint=str(bundled("codec-nano"))))
    codes = []
    with torch.inference_mode():
        for utterance in Manifest(SPEECH, "eval").utterances():
            clip = read(resolve_uri(utterance.uri or ""))
            codes.append(codec.encode(torch.from_numpy(resample(clip.samples, clip.rate, codec.rate).copy())[None]))
    perplexities = perplexity(torch.cat(codes, dim=2), CODES)
    assert len(perplexities) == 6
    assert perplexities.min() > LEAST_PERPLEXITY, [round(float(value)) for value in perplexities]
