"""The built-in aligner on real speech: LibriSpeech's evaluation clips with their texts."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pocketsphinx")

from restorebench.benchmark.audio import read
from restorebench.benchmark.data.corpora.manifest import Manifest
from restorebench.benchmark.data.locations import resolve_uri
from restorebench.benchmark.errors import AudioError
from restorebench.systems.sise.aligner import align, words_of


@pytest.mark.material
def test_nearly_every_clip_is_aligned(material: Path) -> None:
    clips = Manifest("speech/librispeech-test-other", "eval").utterances()
    assert len(clips) == 60
    aligned = 0
    for clip in clips:
        try:
            alignment = align(read(resolve_uri(str(clip.uri))), str(clip.text))
        except AudioError:
            continue
        aligned += 1
        assert [word.name for word in alignment.words] == words_of(str(clip.text))
        times = [time for phone in alignment.phones for time in (phone.start, phone.end)]
        assert times == sorted(times)
    assert aligned / len(clips) >= 0.95
