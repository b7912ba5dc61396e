"""Text-to-speech: latency of the first audio, when the codec decodes in chunks of half a second.

`make bench-models` runs these benchmarks. All weights are random, except those of the bundled nano codec.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

torch = pytest.importorskip("torch")
pytest.importorskip("dac", reason="needs the extra `dac`")

from restorebench.benchmark.audio import read  # noqa: E402
from restorebench.benchmark.contracts import SpeechRequest  # noqa: E402
from restorebench.benchmark.data.locations import BUNDLE  # noqa: E402
from restorebench.systems.checkpoints import bundled  # noqa: E402
from restorebench.systems.sise.codec import FactorisedCodec  # noqa: E402
from restorebench.systems.sise.config import CodecConfig  # noqa: E402
from restorebench.systems.sise.load import load_codec  # noqa: E402
from restorebench.systems.training.config import load_config  # noqa: E402
from restorebench.systems.tts.voice import Voice  # noqa: E402
from tests.tiny import random_tts  # noqa: E402

CLIP_S, CHUNK_S = 10.0, 0.5


@pytest.mark.parametrize("kind", ["paper", "nano"])
def test_first_audio_of_the_decoder(benchmark: BenchmarkFixture, kind: str) -> None:
    """Seconds until the first chunk, and until the whole is decoded, for ten seconds of speech."""
    torch.manual_seed(0)
    codec = load_codec(bundled("sise-codec-nano")) if kind == "nano" else FactorisedCodec(CodecConfig()).eval()
    frames = round(CLIP_S * codec.rate / codec.hop)
    codes, chunk = torch.randint(0, 1024, (1, 6, frames)), round(CHUNK_S * codec.rate / codec.hop)
    with torch.inference_mode():
        codec.decode(codes)
        start = time.perf_counter()
        codec.decode(codes)
        whole = time.perf_counter() - start
        start = time.perf_counter()
        next(codec.decode_chunks(codes, chunk))
        first = time.perf_counter() - start
        benchmark(lambda: list(codec.decode_chunks(codes, chunk)))
    print(f"\n{kind}: first 0.5 s after {first:.2f} s; the whole at once {whole:.2f} s; share {first / whole:.0%}")
    assert first < whole


def test_first_audio_of_a_sentence(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Seconds until the first chunk of a sentence at nano size; the time includes the generation of the tokens."""
    nano = load_config("nano/sise-tts")
    tables = {"model": nano.model, "tokenizer": {"random": {"frames": {}, "acoustic": 5, "codebook_size": 1024}}}
    tables |= {"sampling": {"acoustic_steps": [25, 10, 1, 1, 1], "top_share": 0.02}, "data": {"seconds": 5.0}}
    voice = Voice(random_tts(tmp_path / "tts.safetensors", **tables), "cpu")
    prompt = read(BUNDLE / "slt_04.flac")
    texts = ("These days a chicken leg is a rare dish.", "The birch canoe slid on the smooth planks.")
    request = SpeechRequest(prompt, texts[0], texts[1], "en", 1)
    voice.say(request)
    start = time.perf_counter()
    speech = voice.say(request)
    whole_s = time.perf_counter() - start
    start = time.perf_counter()
    next(voice.stream(request, CHUNK_S))
    first_s = time.perf_counter() - start
    benchmark.pedantic(lambda: voice.codes(request), rounds=2)
    print(f"\n{speech.seconds:.1f} s of speech: first audio after {first_s:.2f} s, the whole after {whole_s:.2f} s")
    assert first_s < whole_s * 1.1
