"""The papers' recognisers with their real packages, in environments that are built here, on tiny random models.

The models are in the official file formats. The tests check transcripts, batches, refused clips, the cache of
transcripts, and three environments in one run.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from restorebench.benchmark.audio import read
from restorebench.benchmark.components import metric_card
from restorebench.benchmark.contracts import Subject
from restorebench.benchmark.data.locations import BUNDLE
from restorebench.benchmark.isolation import environments
from restorebench.benchmark.isolation.environments import Environment
from restorebench.benchmark.plan.keys import signature
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.run.scoring import metric, score
from restorebench.benchmark.types import Audio
from restorebench.metrics import isolated_asr as asr
from restorebench.metrics.recogniser import transcripts_folder
from restorebench.metrics.text import whisper_en
from tests.conftest import Cli

pytestmark = pytest.mark.heavy
HERE = Path(__file__).parent
RECOGNISERS = {
    "whisper": asr.WHISPER_REQUIREMENTS,
    "nemo": asr.NEMO_REQUIREMENTS,
    "paraformer": asr.PARAFORMER_REQUIREMENTS,
}
FILES = {"whisper": "tiny.pt", "nemo": "tiny.nemo", "paraformer": "tiny-paraformer"}
LANGUAGES = {"whisper": "en", "nemo": "en", "paraformer": "zh"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty cache: it has neither environments nor transcripts yet."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("cache")
        patch.setenv("RESTOREBENCH_ENVIRONMENTS", str(root / "environments"))
        patch.setenv("XDG_CACHE_HOME", str(root))
        yield root


@pytest.fixture(scope="module")
def checkpoints(home: Path) -> dict[str, Path]:
    """Checkpoints of the true classes, each made by the Python of its environment."""
    paths = {}
    for name, requirements in RECOGNISERS.items():
        paths[name] = home / FILES[name]
        python = environments.require(Environment(requirements))
        command = [str(python), str(HERE / f"make_{name}.py"), str(paths[name])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return paths


def clips() -> list[SharedClip]:
    names = ["slt_04", "kal16_01", "awb_02"]
    recordings = [read(BUNDLE / f"{name}.flac") for name in names]
    quiet = Audio(1e-3 * recordings[0].samples, 16_000)  # a louder clip of the batch must not raise its floor
    return [SharedClip(clip) for clip in (*recordings, quiet)]


def test_transcripts_are_equal_in_a_batch_and_alone(checkpoints: dict[str, Path]) -> None:
    for name, path in checkpoints.items():
        remote = asr.IsolatedRecogniser(
            name=name, file=f"{name}_asr.py", requirements=RECOGNISERS[name], rules="", checkpoint=str(path)
        ).remote()
        sounds = [clip.at(16_000) for clip in clips()]
        language = LANGUAGES[name]
        together, _ = remote.call("transcribe", sounds, language=language)
        alone = [remote.call("transcribe", [sound], language=language)[0][0] for sound in sounds]
        assert together == alone
        assert len({*together}) > 1, "the recogniser gives one transcript for all clips"


def test_mandarin_is_counted_in_characters(checkpoints: dict[str, Path]) -> None:
    judge = metric(f"cer@seed-tts-zh:{checkpoints['paraformer']}")
    [row] = score(judge, Subject(text="你好，世界。", language="zh"), clips()[:1])
    [first, _] = judge.card.values
    assert row[first.name].why == ""
    assert row[first.name].components["total"] == 4
    assert row[first.name].value is not None


def test_whisper_refuses_clips_longer_than_30_s(checkpoints: dict[str, Path]) -> None:
    judge = metric(f"wer@whisper:{checkpoints['whisper']}")
    long = SharedClip(Audio(np.tile(read(BUNDLE / "slt_04.flac").samples, 20), 16_000))
    short, refused = score(judge, Subject(text="these days"), [clips()[0], long])
    assert not [outcome.why for outcome in short.values() if outcome.why]
    assert all("Whisper decodes at most 30 s" in outcome.why for outcome in refused.values())


NORMALISE = """
import json, sys
from whisper.normalizers import EnglishTextNormalizer
rules = EnglishTextNormalizer()
print(json.dumps([rules(text) for text in json.loads(sys.argv[1])]))
"""
SPOKEN = [
    "Mr. Colour's twenty-one cups, uh, don't spill.",
    "It's two thousand and twenty six, isn't it? We've paid $20 million (about 3.5 %).",
    "THE MEDICAL MAN HAS TWO DUTIES TO PERFORM: TO SAVE THE PATIENT'S LIFE AND TO PLACE HIMSELF",
    "She'll analyse the centre's grey aluminium on the 21st of May, at half past one o'clock",
]


def test_whispers_normaliser_equals_that_of_its_package(checkpoints: dict[str, Path]) -> None:
    """`whisper-en@2` uses a separate package, and so needs no isolated environment."""
    python = environments.require(Environment(asr.WHISPER_REQUIREMENTS))
    done = subprocess.run(
        [str(python), "-c", NORMALISE, json.dumps(SPOKEN)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [whisper_en(text) for text in SPOKEN]
    assert whisper_en(SPOKEN[0]) == "mister color is 21 cups do not spill"


def test_transcripts_are_cached(checkpoints: dict[str, Path]) -> None:
    """A metric with another normaliser reads the cached transcripts, and starts no worker process."""
    path = str(checkpoints["whisper"])
    first, second = metric(f"wer@whisper:{path}"), metric(f"wer@seed-tts-en:{path}")
    subject, sounds = Subject(text="these days a chicken leg is a rare dish"), clips()
    rows = score(first, subject, sounds)
    assert not [outcome.why for row in rows for outcome in row.values() if outcome.why]
    files = sorted(transcripts_folder().rglob("*.txt"))
    assert files
    stamps = [file.stat().st_mtime_ns for file in files]
    asr._remote.cache_clear()
    again = score(second, subject, sounds)
    assert not [outcome.why for row in again for outcome in row.values() if outcome.why]
    assert [file.stat().st_mtime_ns for file in sorted(transcripts_folder().rglob("*.txt"))] == stamps
    assert asr._remote.cache_info().currsize == 0, "a recogniser was started again"
    assert "asr=tiny.pt" in signature(metric_card(f"wer@whisper:{path}"))
    assert signature(metric_card(f"wer@whisper:{path}")) != signature(metric_card(f"wer@seed-tts-en:{path}"))


def test_another_language_is_refused(checkpoints: dict[str, Path]) -> None:
    judge = metric(f"wer@nemo:{checkpoints['nemo']}")
    [row] = score(judge, Subject(text="你好", language="zh"), clips()[:1])
    assert {outcome.why for outcome in row.values()} == {
        f"reference: ValueError: wer@nemo:{checkpoints['nemo']} needs clips in 'en'; this clip is in 'zh'"
    }


def test_three_environments_in_one_run(
    cli: Cli, tmp_path: Path, checkpoints: dict[str, Path], toy_plugin: dict[str, str]
) -> None:
    """NeMo, Whisper and a component with numpy < 2, whose packages cannot share an environment, from one command."""
    names = [f"wer@nemo:{checkpoints['nemo']}", f"wer@whisper:{checkpoints['whisper']}", "toy-old-numpy", "lsd"]
    command = ["run", "demo", "--systems", "unprocessed", "--metrics", ",".join(names), "--limit", "3", "--store", "s"]
    done = cli(*command, env=toy_plugin)
    assert done.returncode == 0, done.stderr
    assert "build numpy<2" in done.stderr
    records = pd.read_csv(tmp_path / "s" / "records.csv")
    assert records["why"].isna().all()
    for name in names:
        rows = records[records.metric == name]
        assert rows.utterance.nunique() == 3, name
        assert rows.value.notna().all()
    assert set(records[records.metric == "toy-old-numpy"].value) == {1.0}
    assert len(environments.installed()) >= 3
    again = cli(*command, env=toy_plugin)
    assert again.returncode == 0
    assert "own environments" not in again.stderr, "something was measured again"
    board = cli("board", "s", env=toy_plugin)
    assert "WER" in board.stdout
