"""The papers' recognisers on their real packages, each environment built here, with tiny random models in the official
file formats: transcripts, batch = single, three environments in one run, and what is kept."""

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
    """A cache of its own: environments are built here, and nothing has been heard yet."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("cache")
        patch.setenv("RESTOREBENCH_ENVIRONMENTS", str(root / "environments"))
        patch.setenv("XDG_CACHE_HOME", str(root))
        yield root


@pytest.fixture(scope="module")
def checkpoints(home: Path) -> dict[str, Path]:
    """Made by each environment's own Python with the true classes."""
    made = {}
    for name, requirements in RECOGNISERS.items():
        made[name] = home / FILES[name]
        python = environments.require(Environment(requirements))
        command = [str(python), str(HERE / f"make_{name}.py"), str(made[name])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return made


def clips() -> list[SharedClip]:
    names = ["slt_04", "kal16_01", "awb_02"]
    found = [read(BUNDLE / f"{name}.flac") for name in names]
    quiet = Audio(1e-3 * found[0].samples, 16_000)  # a batch must not lend it the floor of the loudest
    return [SharedClip(clip) for clip in (*found, quiet)]


def test_batch_is_single(checkpoints: dict[str, Path]) -> None:
    for name, path in checkpoints.items():
        remote = asr.IsolatedRecogniser(
            name=name, file=f"{name}_asr.py", requirements=RECOGNISERS[name], rules="", checkpoint=str(path)
        ).remote()
        sounds = [clip.at(16_000) for clip in clips()]
        language = LANGUAGES[name]
        together, _ = remote.call("transcribe", sounds, language=language)
        alone = [remote.call("transcribe", [sound], language=language)[0][0] for sound in sounds]
        assert together == alone
        assert len({*together}) > 1, "every clip sounds the same to it"


def test_mandarin_is_counted_in_characters(checkpoints: dict[str, Path]) -> None:
    judge = metric(f"cer@seed-tts-zh:{checkpoints['paraformer']}")
    [row] = score(judge, Subject(text="你好，世界。", language="zh"), clips()[:1])
    [first, _] = judge.card.values
    assert row[first.name].why == ""
    assert row[first.name].components["total"] == 4
    assert row[first.name].value is not None


def test_whisper_refuses_what_it_would_have_to_cut(checkpoints: dict[str, Path]) -> None:
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


def test_whispers_rules_are_those_of_its_own_package(checkpoints: dict[str, Path]) -> None:
    """`whisper-en@2` comes from a package of its own, so that no environment is needed for it."""
    python = environments.require(Environment(asr.WHISPER_REQUIREMENTS))
    done = subprocess.run(
        [str(python), "-c", NORMALISE, json.dumps(SPOKEN)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [whisper_en(text) for text in SPOKEN]
    assert whisper_en(SPOKEN[0]) == "mister color is 21 cups do not spill"


def test_what_was_heard_is_kept(checkpoints: dict[str, Path]) -> None:
    """Another normaliser asks no recogniser: the transcripts are there, and the worker never starts."""
    path = str(checkpoints["whisper"])
    first, second = metric(f"wer@whisper:{path}"), metric(f"wer@seed-tts-en:{path}")
    subject, sounds = Subject(text="these days a chicken leg is a rare dish"), clips()
    rows = score(first, subject, sounds)
    assert not [outcome.why for row in rows for outcome in row.values() if outcome.why]
    kept = sorted(transcripts_folder().rglob("*.txt"))
    assert kept
    stamps = [place.stat().st_mtime_ns for place in kept]
    asr._remote.cache_clear()
    again = score(second, subject, sounds)
    assert not [outcome.why for row in again for outcome in row.values() if outcome.why]
    assert [place.stat().st_mtime_ns for place in sorted(transcripts_folder().rglob("*.txt"))] == stamps
    assert asr._remote.cache_info().currsize == 0, "a recogniser was asked again"
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
        mine = records[records.metric == name]
        assert mine.utterance.nunique() == 3, name
        assert mine.value.notna().all()
    assert set(records[records.metric == "toy-old-numpy"].value) == {1.0}
    assert len(environments.installed()) >= 3
    again = cli(*command, env=toy_plugin)
    assert again.returncode == 0
    assert "own environments" not in again.stderr, "something was measured again"
    board = cli("board", "s", env=toy_plugin)
    assert "WER" in board.stdout
