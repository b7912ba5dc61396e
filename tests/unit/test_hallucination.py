"""Ghost speech is found where nobody speaks; the panel counts what was planted."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.analysis.paired_scores import PairedScores, paired
from restorebench.benchmark.analysis.paired_tests import Sample
from restorebench.benchmark.components import metric_card
from restorebench.benchmark.contracts import Subject
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.run.scoring import metric, score
from restorebench.benchmark.suite import load_suite
from restorebench.benchmark.types import Audio
from restorebench.reports.tables.cost import cost, seeds
from restorebench.reports.tables.hallucination import panel

RATE = 16_000
VALUES = [
    value
    for name in ("dnsmos", "wer@pocketsphinx", "spk_sim@resemblyzer", "ghost")
    for value in metric_card(name).values
]


def spoken(*stretches: tuple[float, float]) -> Audio:
    """Noise bursts, in seconds from and to, in four seconds of near silence."""
    rng = np.random.default_rng(0)
    samples = 1e-5 * rng.standard_normal(4 * RATE)
    for start, stop in stretches:
        samples[int(start * RATE) : int(stop * RATE)] += 0.1 * rng.standard_normal(int((stop - start) * RATE))
    return Audio(samples.astype(np.float32), RATE)


def ghost(reference: Audio, estimate: Audio) -> float | None:
    [row] = score(metric("ghost"), Subject(reference=SharedClip(reference)), [SharedClip(estimate)])
    return row["ghost"].value


def test_ghost_speech_is_the_share_of_pauses_that_it_fills() -> None:
    target = spoken((0.0, 1.0), (3.0, 4.0))
    assert ghost(target, target) == 0
    assert ghost(target, spoken((0.0, 1.0))) == 0, "leaving speech out is no ghost"
    # One second of two, without the guards at either end of the pause.
    assert ghost(target, spoken((0.0, 1.0), (1.5, 2.5), (3.0, 4.0))) == pytest.approx(100 / 1.83, abs=2)
    assert ghost(target, Audio(np.zeros(4 * RATE, np.float32), RATE)) == 0
    louder = spoken((0.0, 1.0), (1.5, 2.5), (3.0, 4.0))
    assert ghost(target, Audio(louder.samples * 4, RATE)) == ghost(target, louder)


def test_what_nobody_hears_is_no_ghost() -> None:
    """Dither in the place of speech, and beside a scrap of it."""
    target = spoken((0.0, 1.0), (3.0, 4.0))
    dither = np.random.default_rng(1).standard_normal(4 * RATE)
    assert ghost(target, Audio((1e-6 * dither).astype(np.float32), RATE)) == 0
    scrap = 1e-5 * dither
    scrap[:1600] += 0.1 * np.random.default_rng(2).standard_normal(1600)
    assert ghost(target, Audio(scrap.astype(np.float32), RATE)) == 0
    babble = Audio((0.1 * dither).astype(np.float32), RATE)
    assert ghost(target, babble) == 100, "everything is filled"


def test_a_target_without_pauses_has_no_ghosts() -> None:
    target = spoken((0.0, 4.0))
    [row] = score(metric("ghost"), Subject(reference=SharedClip(target)), [SharedClip(target)])
    assert row["ghost"].why == "reference: the target has no pause"


def test_a_clip_that_counts_nothing_is_no_clip_of_a_pooled_rate() -> None:
    """A metric of others may say 0 of 0."""
    records = pd.DataFrame(
        {"utterance": ["a", "b"], "system": "s", "value": [0.0, 50.0],
         "components": ['{"errors": 0, "total": 0}', '{"errors": 30, "total": 60}']}
    )  # fmt: skip
    [value] = metric("ghost").card.values
    found = paired("c", value, records, {("c", "a"): "", ("c", "b"): ""}, ("s",))
    assert found.pooled(0) == 50
    assert found.seeds.tolist() == [[0, 1]]
    assert paired("c", value, records[:1], {("c", "a"): ""}, ("s",)).summary("s") == (None, None, None)


def rows(system: str, clip: str, **values: float) -> list[dict[str, object]]:
    """Records of a clip: WER components by their names, other values as they are."""
    words = {name: values.pop(name, 0.0) for name in ("insertions", "deletions", "substitutions")}
    errors = sum(words.values())
    components = json.dumps({**words, "errors": errors, "total": 10.0})
    common = {"condition": "c", "system": system, "utterance": clip, "seed": 0}
    found = [{**common, "value_name": "wer@pocketsphinx", "value": 10 * errors, "components": components}]
    return found + [
        {**common, "value_name": n.replace("_at_", "@"), "value": v, "components": "{}"} for n, v in values.items()
    ]


def test_the_panel_counts_what_was_planted() -> None:
    records = pd.DataFrame(
        [
            *rows("good", "a"),
            *rows("good", "b", substitutions=1),
            *rows("liar", "a", insertions=6, **{"dnsmos.ovl": 3.4, "spk_sim_at_resemblyzer": 0.5}),
            *rows("liar", "b", deletions=2, **{"dnsmos.ovl": 3.4, "spk_sim_at_resemblyzer": 0.9}),
            *rows("mumbler", "a", insertions=6, **{"dnsmos.ovl": 1.4}),
        ]
    )
    [table] = panel(records, VALUES)
    shown = {row[0]: row[1:] for row in table.rows}
    assert shown["good"][:3] == ("0.0", "0.0", "5.0")
    assert shown["liar"][:5] == ("30.0", "10.0", "0.0", "1 of 2: a", "1 of 2: a")
    assert shown["mumbler"][3] == "0 of 1", "what sounds bad does not deceive"
    assert shown["good"][3] == "–", "nobody judged how it sounds"
    unknown = pd.concat([records, pd.DataFrame(rows("liar", "c", insertions=9))])
    [table] = panel(unknown, VALUES, lambda system: f"{system}!")
    assert {row[0]: row[4] for row in table.rows}["liar!"] == "1 of 2: a", "of those that were judged"
    assert panel(records[records["value_name"] == "dnsmos.ovl"], VALUES) == []


def test_seeds_and_cost() -> None:
    plan = make_plan(load_suite("demo"), ["spectral-gate", "target"], ["lsd"], limit=2)
    g = np.random.default_rng(0)
    level = g.normal(0, 2, 50)
    records = pd.DataFrame(
        {"condition": "c", "system": "spectral-gate", "utterance": str(clip), "seed": seed, "value_name": "lsd",
         "value": level[clip] + g.normal(), "components": "{}"}
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
    [row] = cost(Board(plan, (), plan.metric_cards, {}, {}, (times,)), {"spectral-gate": 12.3}).rows
    assert row[:3] == ("spectral-gate", "0.2", "12"), "seconds over seconds, as in the leaderboard"
