"""Phone labels: TextGrids, the built-in aligner, and classes per frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pocketsphinx")

from restorebench.benchmark.audio import read
from restorebench.benchmark.core.progress import silent
from restorebench.benchmark.data.corpora.demo import Demo
from restorebench.benchmark.data.locations import resolve_uri
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.benchmark.types import Audio, Utterance
from restorebench.systems.sise.aligner import align, guess, words_of
from restorebench.systems.sise.labels import LabelConfig, labels_of
from restorebench.systems.sise.phonemes import (
    ARPABET,
    IGNORED,
    NAMED_SETS,
    SILENCE,
    UNKNOWN,
    Alignment,
    Interval,
    PhoneSet,
    frame_labels,
    read_textgrid,
    unknown_share,
)  # fmt: skip
from tests.tiny import quietly, recordings_table

CLIPS = {clip.id: clip for clip in Demo().utterances()}
TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1
        intervals: size = 2
        intervals [1]:
            xmin = 0.1
            xmax = 0.5
            text = "hey"
        intervals [2]:
            xmin = 0.5
            xmax = 1
            text = ""
    item [2]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.1
            text = ""
        intervals [2]:
            xmin = 0.1
            xmax = 0.2
            text = "HH"
        intervals [3]:
            xmin = 0.2
            xmax = 0.5
            text = "EY1"
        intervals [4]:
            xmin = 0.5
            xmax = 1
            text = "spn"
"""


@pytest.mark.parametrize("name", ["slt_04", "rms_03", "awb_02"])
def test_words_are_in_order_and_times_never_decrease(name: str) -> None:
    clip = CLIPS[name]
    audio = read(resolve_uri(str(clip.uri)))
    alignment = align(audio, str(clip.text))
    assert [word.name for word in alignment.words] == words_of(str(clip.text))
    for tier in (alignment.phones, alignment.words):
        times = [time for interval in tier for time in (interval.start, interval.end)]
        assert times == sorted(times)
        assert 0 <= times[0] <= times[-1] <= audio.seconds + 0.02
    assert all(0.01 <= word.end - word.start < 1.5 for word in alignment.words)
    speech = [phone for phone in alignment.phones if PhoneSet().id(phone.name) > UNKNOWN]
    assert len(speech) >= 2 * len(alignment.words)
    again = align(audio, str(clip.text))
    assert again == alignment  # the aligner keeps no state between clips


def test_loud_frames_are_labelled_as_phones() -> None:
    """Of the loudest 30 % of the frames of a clip, more than 95 % are labelled as phones."""
    clip = CLIPS["slt_04"]
    audio = read(resolve_uri(str(clip.uri)))
    frames = len(audio.samples) // 200
    labels = frame_labels(align(audio, str(clip.text)), PhoneSet(), 0.0, frames, 200, 16_000)
    level = np.sqrt(np.mean(audio.samples[: frames * 200].reshape(frames, 200) ** 2, axis=1))
    loud = level > np.quantile(level, 0.7)
    assert (labels[loud] > UNKNOWN).mean() > 0.95


def test_unknown_words_are_aligned_and_labelled_as_unknown() -> None:
    clip = CLIPS["slt_04"]
    words = str(clip.text).split()
    text = " ".join(["zzyx" + words[0].lower(), *words[1:]])
    labels = frame_labels(align(read(resolve_uri(str(clip.uri))), text), PhoneSet(), 0.0, 200, 200, 16_000)
    assert (labels == UNKNOWN).any()
    assert (labels > UNKNOWN).any()
    assert guess("chip") == "CH IH P"


def test_texts_that_cannot_be_aligned_are_refused() -> None:
    with pytest.raises(AudioError, match="no words"):
        align(Audio(np.zeros(16_000, np.float32), 16_000), "42 %")
    with pytest.raises(AudioError, match="does not fit"):
        align(Audio(np.zeros(1600, np.float32), 16_000), "the birch canoe slid on the smooth planks")


def test_textgrids_give_frame_labels_and_broken_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(TEXTGRID)
    alignment = read_textgrid(path)
    assert alignment.words[0] == Interval("hey", 0.1, 0.5)
    labels = frame_labels(alignment, PhoneSet(), 0.0, 80, 200, 16_000)
    hh, ey = 2 + ARPABET.index("HH"), 2 + ARPABET.index("EY")
    # Frame k is judged at (k + 1/2) * 12.5 ms: frames 0-7, 8-15, 16-39 and 40-79.
    assert labels.tolist() == [SILENCE] * 8 + [hh] * 8 + [ey] * 24 + [UNKNOWN] * 40
    assert frame_labels(alignment, PhoneSet(), 0.15, 4, 200, 16_000).tolist() == [hh] * 4
    path.write_text("not a TextGrid")
    with pytest.raises(RequestError, match="no tier `phones`"):
        read_textgrid(path)
    with pytest.raises(RequestError, match="cannot be read"):
        read_textgrid(tmp_path / "absent.TextGrid")


def test_clips_that_are_not_aligned_are_listed_with_the_reason(tmp_path: Path) -> None:
    from dataclasses import replace

    clips = [CLIPS["slt_04"], replace(CLIPS["rms_03"], text=None), replace(CLIPS["awb_02"], language="zh")]
    table = tmp_path / "labels-train.csv"
    labels = labels_of(LabelConfig(), recordings_table(clips), table, quietly)
    assert table.read_text().splitlines() == [
        "utterance,why_not", "slt_04,", "rms_03,no transcript",
        "awb_02,the built-in aligner aligns only English; this is 'zh'",
    ]  # fmt: skip
    assert (labels.crop(0, 0.0, 40, 200, 16_000) != IGNORED).all()
    assert (labels.crop(1, 0.0, 40, 200, 16_000) == IGNORED).all()
    read_again = labels_of(LabelConfig(), recordings_table(clips), table, quietly)
    assert read_again.alignments == labels.alignments


def test_padding_is_silence() -> None:
    short = Alignment((Interval("AA", 0.0, 0.1),))
    assert frame_labels(short, PhoneSet(), 0.0, 16, 200, 16_000).tolist() == [2] * 8 + [SILENCE] * 8


GRIDS = {
    "english_us_arpa": "DH AH0 B ER1 CH K AH0 N UW1 S L IH1 D",
    "english_mfa": "ð ə b ɝ tʃ kʰ ə n ʉː s l ɪ d̪ tʲ ɫ̩ m̩ ɾ̃ pʷ ɡ əw ej aj ɔj ɑː ɐ",
    "mandarin_mfa": "n i˨˩˦ x aw˨˩˦ ʂ ʐ̩˥˩ tɕ j e˥˩ tsʰ ʈʂʰ ɥ œ˧˥ ŋ ɤ˥˩",
    "mandarin_pinyin": "n i2 h ao3 sh iii4 j ie4 zh ong1 g uo2 r en2",
}


@pytest.mark.parametrize("model", GRIDS)
def test_the_merged_phone_set_contains_the_phones_of_mfa(model: str) -> None:
    phones = PhoneSet(NAMED_SETS["mfa-en-zh"])
    intervals = tuple(Interval(name, n, n + 1) for n, name in enumerate(["sil", *GRIDS[model].split(), ""]))
    share, outside = unknown_share([Alignment(intervals)], phones)
    assert share == 0, outside


def test_tone_changes_no_class_and_pinyin_is_not_arpabet() -> None:
    phones = PhoneSet(NAMED_SETS["mfa-en-zh"])
    for final in ("ao", "er", "i", "uang"):
        assert len({phones.id(f"{final}{tone}") for tone in range(1, 6)}) == 1
    assert phones.id("AH0") == phones.id("AH1") == phones.id("AH")
    for pinyin, arpabet in (("zh", "ZH"), ("er", "ER"), ("ao", "AO"), ("y", "Y")):
        assert phones.id(pinyin) != phones.id(arpabet)
    assert PhoneSet().id("hh") == PhoneSet().id("HH"), "the aligner's own spelling"


def test_a_phone_set_of_another_language_stops_the_run(tmp_path: Path) -> None:
    """With ARPAbet, all Mandarin phones would fall into the class of unknown phones without a warning."""
    grid = tmp_path / "a.TextGrid"
    spans = "".join(
        f'intervals [{n}]:\n xmin = {n}\n xmax = {n + 1}\n text = "{name}"\n'
        for n, name in enumerate(["", *GRIDS["mandarin_mfa"].split()])
    )
    grid.write_text(f'item [1]:\n class = "IntervalTier"\n name = "phones"\n{spans}', encoding="utf-8")
    config = LabelConfig(source="textgrid", textgrids=str(tmp_path))
    clips = [Utterance(id="a", uri="a.wav")]
    with pytest.raises(RequestError, match=r"% of the aligned speech has phones outside the set, such as .*mfa-en-zh"):
        labels_of(config, recordings_table(clips), tmp_path / "l.csv", silent)
