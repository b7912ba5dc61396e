"""Random data for simulations: paired samples of two systems, and a baseline with a new run of the same system."""

from __future__ import annotations

import numpy as np

from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.analysis.paired_tests import Sample
from restorebench.benchmark.contracts import Value
from restorebench.benchmark.gate.baseline import Baseline, Clip

rng = np.random.default_rng


def paired(seed: int, clusters: int, each: int, shift: float = 0.0, kind: str = "mean") -> Sample:
    """Two systems. Their difference has a part that the clips of a cluster share; every clip has its own difficulty."""
    generator = rng(seed)
    cluster = np.repeat(np.arange(clusters), each)
    clips = len(cluster)
    if kind == "rate":
        words = generator.integers(5, 25, clips).astype(float)
        errors = [generator.binomial(words.astype(int), generator.beta(1, 9, clips)).astype(float) for _ in range(2)]
        return Sample(np.stack(errors), np.stack([words, words]), cluster)
    shared = generator.standard_normal(clusters)[cluster] * (each > 1)
    noise = generator.exponential(1, clips) - 1 if kind == "skewed" else generator.standard_normal(clips)
    difficulty = 3 * generator.standard_normal(clips)
    return Sample(np.stack([difficulty + shared + noise + shift, difficulty]), np.ones((2, clips)), cluster)


QUALITY = ("dnsmos.sig", "dnsmos.bak", "dnsmos.ovl", "dnsmos.p808")


def simulated(seed: int, clips: int, quality: float = 0.0, wer: float = 0.0) -> tuple[list[PairedScores], Baseline]:
    """A checkpoint with another sampling seed, and its baseline: four correlated DNSMOS values, and WER.

    Another seed moves a clip's MOS by 0.15 (standard deviation) and changes one or two word errors. Both changes are
    larger than in the published GSR outputs of good systems. The checkpoint loses `quality` in MOS and gains `wer` in
    percent.
    """
    rng = np.random.default_rng(seed)
    names = tuple(map(str, range(clips)))
    before: dict[str, dict[str, Clip]] = {}
    measured = []
    level = rng.normal(3.2, 0.4, clips)
    drift = [rng.normal(0, 0.1, clips) for _ in range(2)]
    for name in QUALITY:
        old, new = (level + shared + rng.normal(0, 0.11, clips) for shared in drift)
        before[name] = {clip: (float(score), 1.0, 1) for clip, score in zip(names, old, strict=True)}
        value = Value(name=name, label=name, unit="MOS", direction="higher")
        sample = Sample((new - quality)[None], np.ones((1, clips)), np.arange(clips))
        measured.append(PairedScores("c", value, ("new",), names, sample, "clip", 0, np.ones((1, clips), np.int64)))
    words = rng.integers(6, 14, clips).astype(float)
    shared_errors = rng.binomial(words.astype(int), 0.04)
    old_errors, new_errors = (shared_errors + rng.poisson(0.01 * words) for _ in range(2))
    new_errors = new_errors + rng.poisson(wer / 100 * words)
    before["wer@pocketsphinx"] = {
        clip: (float(errors), float(count), 1) for clip, errors, count in zip(names, old_errors, words, strict=True)
    }
    value = Value(name="wer@pocketsphinx", label="WER", unit="%", direction="lower", reduction="rate")
    sample = Sample(new_errors[None].astype(float), words[None], np.arange(clips))
    measured.append(PairedScores("c", value, ("new",), names, sample, "clip", 0, np.ones((1, clips), np.int64)))
    margins = {name: 0.5 if name == "wer@pocketsphinx" else 0.05 for name in (*QUALITY, "wer@pocketsphinx")}
    baseline = Baseline(
        suite="s", trials="t", system="new", reason="r", margins=margins,
        signatures=dict.fromkeys(margins, "s"), clips={"c": before},
    )  # fmt: skip
    return measured, baseline
