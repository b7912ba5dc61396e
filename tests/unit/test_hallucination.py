"""Ghost speech is measured in the target's pauses, and the hallucination panel counts planted errors."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.analysis.paired_scores import PairedScores, paired
from restorebench.benchmark.analysis.paired_tests import Sample
from restorebench.benchmark.components import metric_card
from restorebench.benchmark.contracts import Subject, SystemCard, Value
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.run.cost import Cost
from restorebench.benchmark.run.scoring import metric, score
from restorebench.benchmark.suite import load_suite
from restorebench.benchmark.types import Audio
from restorebench.reports.tables.agreement import agreement
from restorebench.reports.tables.cost import cost, seeds
from restorebench.reports.tables.hallucination import panel

RATE = 16_000
VALUES = [
    value
    for name in ("dnsmos", "wer@pocketsphinx", "spk_sim@resemblyzer", "ghost")
    for value in metric_card(name).values
]


def spoken(*stretches: tuple[float, float]) -> Audio:
    """Four seconds of near silence with noise bursts; each stretch is a start and a stop in seconds."""
    rng = np.random.default_rng(0)
    samples = 1e-5 * rng.standard_normal(4 * RATE)
    for start, stop in stretches:
        samples[int(start * RATE) : int(stop * RATE)] += 0.1 * rng.standard_normal(int((stop - start) * RATE))
    return Audio(samples.astype(np.float32), RATE)


def ghost(reference: Audio, estimate: Audio) -> float | None:
    [row] = score(metric("ghost"), Subject(reference=SharedClip(reference)), [SharedClip(estimate)])
    return row["ghost"].value


def test_ghost_speech_is_the_filled_share_of_the_pauses() -> None:
    target = spoken((0.0, 1.0), (3.0, 4.0))
    assert ghost(target, target) == 0
    assert ghost(target, spoken((0.0, 1.0))) == 0, "leaving speech out is no ghost"
    # One second of the two-second pause is filled; the guard frames at its ends do not count.
    assert ghost(target, spoken((0.0, 1.0), (1.5, 2.5), (3.0, 4.0))) == pytest.approx(100 / 1.83, abs=2)
    assert ghost(target, Audio(np.zeros(4 * RATE, np.float32), RATE)) == 0
    louder = spoken((0.0, 1.0), (1.5, 2.5), (3.0, 4.0))
    assert ghost(target, Audio(louder.samples * 4, RATE)) == ghost(target, louder)


def test_inaudible_noise_is_no_ghost_speech() -> None:
    """Dither alone, and dither after a tenth of a second of sound, is no ghost speech."""
    target = spoken((0.0, 1.0), (3.0, 4.0))
    dither = np.random.default_rng(1).standard_normal(4 * RATE)
    assert ghost(target, Audio((1e-6 * dither).astype(np.float32), RATE)) == 0
    short_sound = 1e-5 * dither
    short_sound[:1600] += 0.1 * np.random.default_rng(2).standard_normal(1600)
    assert ghost(target, Audio(short_sound.astype(np.float32), RATE)) == 0
    babble = Audio((0.1 * dither).astype(np.float32), RATE)
    assert ghost(target, babble) == 100, "every pause is filled"


def test_a_target_without_pauses_has_no_ghosts() -> None:
    target = spoken((0.0, 4.0))
    [row] = score(metric("ghost"), Subject(reference=SharedClip(target)), [SharedClip(target)])
    assert row["ghost"].why == "reference: the target has no pause"


def test_the_pause_threshold_follows_the_targets_noise_floor() -> None:
    """Noise at 30 dB below speech, as in most of LibriSpeech, does not hide the pauses.

    With a fixed threshold of 45 dB below speech, 31 of 36 held-out clips had no pause at all.
    """
    hiss = 0.003 * np.random.default_rng(3).standard_normal(4 * RATE)
    target = Audio((spoken((0.0, 1.0), (3.0, 4.0)).samples + hiss).astype(np.float32), RATE)
    assert ghost(target, target) == 0
    filled = Audio((spoken((0.0, 1.0), (1.5, 2.5), (3.0, 4.0)).samples + hiss).astype(np.float32), RATE)
    assert ghost(target, filled) == pytest.approx(100 / 1.83, abs=2)


def test_a_clip_with_a_total_of_0_does_not_enter_a_pooled_rate() -> None:
    """The metric of a plug-in may report 0 errors of 0."""
    records = pd.DataFrame(
        {"utterance": ["a", "b"], "system": "s", "value": [0.0, 50.0],
         "components": ['{"errors": 0, "total": 0}', '{"errors": 30, "total": 60}']}
    )  # fmt: skip
    [value] = metric("ghost").card.values
    scores = paired("c", value, records, {("c", "a"): "", ("c", "b"): ""}, ("s",))
    assert scores.pooled(0) == 50
    assert scores.seeds.tolist() == [[0, 1]]
    assert paired("c", value, records[:1], {("c", "a"): ""}, ("s",)).summary("s") == (None, None, None)


def rows(system: str, clip: str, **values: float) -> list[dict[str, object]]:
    """Records of a clip. Counts of errors make up its WER; other values are given by name, with `_at_` for `@`."""
    words = {name: values.pop(name, 0.0) for name in ("insertions", "deletions", "substitutions")}
    errors = sum(words.values())
    components = json.dumps({**words, "errors": errors, "total": 10.0})
    common = {"condition": "c", "system": system, "utterance": clip, "seed": 0}
    wer_record = {**common, "value_name": "wer@pocketsphinx", "value": 10 * errors, "components": components}
    return [
        wer_record,
        *(
            {**common, "value_name": name.replace("_at_", "@"), "value": value, "components": "{}"}
            for name, value in values.items()
        ),
    ]


def sounding(ovl: float, voice: float) -> dict[str, float]:
    return {"dnsmos.ovl": ovl, "spk_sim_at_resemblyzer": voice}


def test_the_panel_counts_planted_errors() -> None:
    records = pd.DataFrame(
        [
            *rows("target", "a", **sounding(3.5, 1.0)),
            *rows("target", "b", substitutions=1, **sounding(3.5, 1.0)),
            *rows("unprocessed", "a", deletions=4, **sounding(1.5, 0.6)),
            *rows("unprocessed", "b", deletions=4, **sounding(1.5, 0.6)),
            *rows("liar", "a", insertions=6, **sounding(3.4, 0.5)),
            *rows("liar", "b", substitutions=5, **sounding(3.4, 0.62)),
            *rows("mumbler", "a", insertions=6, **{"dnsmos.ovl": 1.4}),
            *rows("unrated", "a"),
        ]
    )
    [table] = panel(records, VALUES)
    assert table.columns == ("system", "inserted %", "deleted %", "substituted %", "good but wrong", "other voice")
    shown = {row[0]: row[1:] for row in table.rows}
    assert shown["target"] == ("0.0", "0.0", "5.0", "0 of 2", "0 of 2")
    assert shown["unprocessed"][4] == "0 of 2", "its voice is below the limit, but not below itself"
    assert shown["liar"][:3] == ("30.0", "0.0", "25.0")
    assert shown["liar"][3] == "1 of 2: a", "in b five errors of ten are four more than the target's"
    assert shown["liar"][4] == "1 of 2: a", "in b the voice is nearer to the target's than before"
    assert shown["mumbler"][3:] == ("0 of 1", "–"), "a clip that sounds bad is not counted; its voice has no value"
    assert shown["unrated"][3] == "–", "its quality has no value"
    unknown = pd.concat([records, pd.DataFrame(rows("liar", "c", insertions=9))])
    [table] = panel(unknown, VALUES, lambda system: f"{system}!")
    assert {row[0]: row[4] for row in table.rows}["liar!"] == "1 of 2: a", "only clips with a voice value count"
    assert panel(records[records["value_name"] == "dnsmos.ovl"], VALUES) == []


def test_no_clip_is_called_wrong_if_the_recogniser_fails_on_clean_speech() -> None:
    records = pd.DataFrame(
        [
            *rows("target", "a", substitutions=3, **sounding(3.5, 1.0)),
            *rows("s", "a", insertions=9, **sounding(3.4, 0.9)),
        ]
    )
    [table] = panel(records, VALUES)
    assert "good but wrong" not in table.columns
    assert "good but wrong is not shown: wer@pocketsphinx misrecognises 30 % of clean speech" in table.notes
    [table] = panel(records[records["system"] == "s"], VALUES)
    assert "wer@pocketsphinx needs a measured target" in " ".join(table.notes)


def test_a_share_of_filled_pauses_needs_clips_with_pauses() -> None:
    def filled(clips: int) -> tuple[str, ...]:
        record = {"condition": "c", "system": "s", "seed": 0, "value_name": "ghost", "value": 50.0,
                   "components": '{"errors": 3, "total": 6}'}  # fmt: skip
        [table] = panel(pd.DataFrame([{**record, "utterance": str(clip)} for clip in range(clips)]), VALUES)
        return table.rows[0]

    assert filled(5) == ("s", "50.0")
    assert filled(4) == ("s",)


def test_agreement_is_computed_within_systems() -> None:
    """Values that agree on the better system but not on single clips do not agree; anchors are left out."""
    rng = np.random.default_rng(0)
    [quality, voice] = [v for v in VALUES if v.name in ("dnsmos.ovl", "spk_sim@resemblyzer")]
    systems, clips = ("target", "a", "b"), tuple(map(str, range(60)))
    cards = {
        name: SystemCard(name=name, version=1, summary="", source="", kind="anchor" if name == "target" else "system")
        for name in systems
    }
    levels = np.array([[9.0], [1.0], [5.0]])
    alike = rng.normal(size=(3, 60))

    def scores(value: Value, noise: np.ndarray) -> PairedScores:
        sample = Sample(levels + noise, np.ones((3, 60)), np.arange(60))
        return PairedScores("c", value, systems, clips, sample, "clip")

    [apart] = agreement([scores(quality, rng.normal(size=(3, 60))), scores(voice, rng.normal(size=(3, 60)))], cards)
    assert abs(float(apart.rows[0][2])) < 0.3
    [same] = agreement([scores(quality, alike), scores(voice, 2 * alike)], cards)
    assert same.rows[0][2] == same.rows[0][1] == "1.00"


def test_the_tables_of_seeds_and_cost() -> None:
    plan = make_plan(load_suite("demo"), ["spectral-gate", "target"], ["lsd"], limit=2)
    rng = np.random.default_rng(0)
    level = rng.normal(0, 2, 50)
    records = pd.DataFrame(
        {"condition": "c", "system": "spectral-gate", "utterance": str(clip), "seed": seed, "value_name": "lsd",
         "value": level[clip] + rng.normal(), "components": "{}"}
        for clip in range(50) for seed in range(4)
    )  # fmt: skip
    table = seeds(plan, records)
    assert table is not None
    [row] = table.rows
    assert row[3] == "4"
    assert float(row[5]) == pytest.approx(1.0, rel=0.2)
    assert seeds(plan, records[records["seed"] == 0]) is None
    [value] = metric("rtf").card.values
    timed = Sample(np.array([[1.5, 0.5]]), np.array([[0.5, 9.5]]), np.arange(2))
    times = PairedScores("voicefixer", value, ("spectral-gate",), ("a", "b"), timed, "clip")
    [row] = cost(
        Board(plan, (), plan.metric_cards, {}, {}, (times,)), {"spectral-gate": Cost(12.3, 0.25, 0.24, 0.5)}
    ).rows
    assert row[:5] == ("spectral-gate", "0.2", "0.25", "0.24", "12"), "total time over total duration, as on the board"
