"""The papers' training recipes as a lab would start them: networks at full size, and data with the usual faults.

DAC and HuBERT have random weights, in the format of the published files. The data include an impulse response with
eight channels, a noise file and a recording that cannot be read, and TextGrids in IPA and pinyin.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import tarfile
from itertools import cycle, pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
pytest.importorskip("dac")

from restorebench.benchmark.audio import read, resample  # noqa: E402
from restorebench.benchmark.data.locations import BUNDLE  # noqa: E402
from restorebench.benchmark.types import Audio  # noqa: E402
from restorebench.systems.training.checkpoint import header  # noqa: E402
from tests.conftest import COMMAND  # noqa: E402

pytestmark = pytest.mark.heavy

STEPS = 20
SPEECH = sorted(BUNDLE.glob("*.flac"))[:12]
PHONES = {
    "en": ("ð", "ə", "b", "ɝ", "tʃ", "kʰ", "n", "ʉː", "s", "l", "ɪ", "d̪", "tʲ", "ɫ̩", "pʷ", "ɡ", "əw", "ej", "ɔj", "ɑː"),
    "zh": ("n", "i2", "h", "ao3", "sh", "iii4", "j", "ie4", "zh", "ong1", "g", "uo2", "r", "en2"),
}


def clip(path: Path, rate: int) -> Audio:
    sound = read(path)
    return Audio(resample(sound.samples, sound.rate, rate), rate)


def write_sound(path: Path, sound: Audio) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound.samples, sound.rate)


def textgrid(seconds: float, phones: tuple[str, ...]) -> str:
    """Silence, then a phone every 80 ms, in Praat's long format."""
    names = cycle(phones)
    edges = [0.0, *np.arange(0.2, seconds, 0.08), seconds]
    rows = [
        f'intervals [{n}]:\n xmin = {a}\n xmax = {b}\n text = "{"" if n == 1 else next(names)}"\n'
        for n, (a, b) in enumerate(pairwise(edges), 1)
    ]
    return f'item [1]:\n class = "IntervalTier"\n name = "phones"\n{"".join(rows)}'


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders that `data fetch` makes, with a few clips in each."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for number, path in enumerate(SPEECH[:5]):
        write_sound(root / "dns_read_speech" / f"book_{number}.wav", clip(path, 48_000))
        write_sound(root / "aishell-1" / "train" / "S0002" / f"BAC009S0002W{number}.wav", clip(path, 16_000))
    # 1 of 22 recordings: a corpus in which more than one recording in twenty is broken is refused.
    (root / "aishell-1" / "train" / "S0002" / "BAC009S0002W9.wav").write_bytes(b"RIFF, and then nothing")
    for speaker, clips in (("p225", SPEECH[6:8]), ("p226", SPEECH[:11])):
        for number, path in enumerate(clips):
            name = f"{speaker}_{number:03d}"
            write_sound(root / "vctk/wav48_silence_trimmed" / speaker / f"{name}_mic1.flac", clip(path, 48_000))
            (root / "vctk/txt" / speaker).mkdir(parents=True, exist_ok=True)
            (root / "vctk/txt" / speaker / f"{name}.txt").write_text("Please call Stella.")
    for number in range(9):
        write_sound(
            root / "dns_noise" / f"noise{number}.wav", Audio(0.1 * rng.standard_normal(48_000 * 5).astype("f4"), 48_000)
        )
    (root / "dns_noise" / "broken.wav").write_bytes(b"RIFF, and then nothing")
    (root / "dns_rir").mkdir()
    decay = np.exp(-np.arange(8000) / 1200)
    soundfile.write(root / "dns_rir" / "eight.wav", (0.3 * rng.standard_normal((8000, 8)).T * decay).T, 16_000)
    soundfile.write(root / "dns_rir" / "mono.wav", 0.3 * rng.standard_normal(8000) * decay, 16_000)
    emilia(root / "emilia")
    return root


def emilia(root: Path) -> None:
    for part, paths in (("train", SPEECH[:8]), ("dev", SPEECH[8:10])):
        (root / part).mkdir(parents=True)
        for language in ("en", "zh"):
            with tarfile.open(root / part / f"{language}.tar", "w") as archive:
                for number, path in enumerate(paths):
                    name, sound = f"{language}-{part}-{number}", clip(path, 24_000)
                    mp3 = io.BytesIO()
                    soundfile.write(mp3, sound.samples, sound.rate, format="MP3")
                    metadata = json.dumps({"text": "…", "speaker": f"{language}{number % 2}", "language": language})
                    for suffix, content in ((".mp3", mp3.getvalue()), (".json", metadata.encode())):
                        member = tarfile.TarInfo(name + suffix)
                        member.size = len(content)
                        archive.addfile(member, io.BytesIO(content))
                    (root / "textgrids").mkdir(exist_ok=True)
                    grid = textgrid(sound.seconds, PHONES[language])
                    (root / "textgrids" / f"{name}.TextGrid").write_text(grid, encoding="utf-8")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DAC at 44.1 kHz and HuBERT-base, of the published shapes and formats."""
    from torchaudio.models import hubert_base

    from restorebench.benchmark.data.weight_catalogue import CATALOGUE
    from restorebench.systems.tokenizers.dac import CONFIGS, DacTokenizer

    root = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    dac, hubert = root / CATALOGUE["dac-44khz"].path, root / CATALOGUE["hubert-base"].path
    for path in (dac, hubert):
        path.parent.mkdir(parents=True, exist_ok=True)
    state = DacTokenizer(**CONFIGS["dac-44khz"]).codec.state_dict()
    torch.save({"state_dict": state, "metadata": {"kwargs": {}}}, dac)
    torch.save(hubert_base().state_dict(), hubert)
    return root


def train(config: Path, out: Path, data: Path, weights: Path, *options: str) -> str:
    """The output of the training command, which must succeed."""
    variables = {"RESTOREBENCH_DATA": str(data), "RESTOREBENCH_WEIGHTS": str(weights), "RESTOREBENCH_OFFLINE": "1"}
    variables |= {"OMP_NUM_THREADS": "2"}  # a step at full size takes ten seconds of one core
    done = subprocess.run(
        [COMMAND, "train", config, "--out", out, *options],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def logged_values(out: Path, name: str) -> list[float]:
    """The logged value `name` of every training step."""
    with (out / "log.csv").open(newline="") as file:
        return [float(r["value"]) for r in csv.DictReader(file) if (r["split"], r["name"]) == ("train", name)]


SMALL_STEPS = (
    f"[training]\nsteps = {STEPS}\nbatch = 1\nvalidate_every = {STEPS}\nvalidation_clips = 1\nlog_every = 1\n"
    'listen = 0\nprecision = "32-true"\n'
)


def test_the_recipe_of_masksr2_s_trains(data: Path, weights: Path, tmp_path: Path) -> None:
    config, out = tmp_path / "lab.toml", tmp_path / "runs" / "masksr2-s"
    # Preparing these 21 windows at ten levels would take a quarter of an hour on a CPU.
    config.write_text(f'extends = "paper/masksr2-s"\n[data]\nprepared = ""\nworkers = 1\n{SMALL_STEPS}')
    output = train(config, out, data, weights)
    assert "1 of 22 recordings cannot be trained on: " in output
    assert "BAC009S0002W9.wav" in output
    assert "broken.wav" in output
    assert header(out / "model.safetensors")["card"]["steps"] == STEPS
    losses = logged_values(out, "cross-entropy")
    assert len(losses) == STEPS
    assert np.isfinite(losses).all()


def test_training_pairs_stay_within_full_scale(data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The recipe's own corruption makes the pairs, with the eight-channel impulse response and the broken noise."""
    from restorebench.benchmark.core.progress import silent
    from restorebench.systems.training.config import load_config
    from restorebench.systems.training.data import PairStream
    from restorebench.systems.training.recordings import speech_of

    monkeypatch.setenv("RESTOREBENCH_DATA", str(data))
    run = load_config("paper/masksr2-s")
    stream = PairStream(run.data, 44_100, speech_of(run, tmp_path, silent), 0, "train")
    items = [stream[number] for number in range(60)]
    peaks = [max(np.abs(item["degraded"]).max(), np.abs(item["clean"]).max()) for item in items]
    assert max(peaks) <= 1.0
    assert min(peaks) > 0.1
    assert any("broken.wav" in why for why in stream.unreadable)


def test_the_recipe_of_the_sise_codec_trains(data: Path, weights: Path, tmp_path: Path) -> None:
    config, out = tmp_path / "lab.toml", tmp_path / "runs" / "sise-codec"
    config.write_text(
        f'extends = "paper/sise-codec"\n[losses]\nquantise_after = 10\n[data]\nworkers = 1\n{SMALL_STEPS}'
    )
    output = train(config, out, data, weights)
    assert "labels: 16 of 16 checked recordings are aligned, 100.0% of their speech has known phones" in output
    known = logged_values(out, "phones_known")
    assert len(known) == STEPS
    assert np.mean(known) >= 0.95
    assert header(out / "model.safetensors")["card"]["steps"] == STEPS
