"""One check per property that a restorer should have. A check returns a verdict and a text with the measurement.

Reasons for the limits: a delay of 1 ms changes intrusive metrics (SI-SDR falls from 9 to -6 dB); denoising does not
explain that clean speech loses half of its power (-3 dB); where a clip ends within a vowel, a missing last 50 ms is
audible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from restorebench.benchmark.conformance import sounds
from restorebench.benchmark.contracts import System
from restorebench.benchmark.errors import reason
from restorebench.benchmark.run.alignment import Alignment, align
from restorebench.benchmark.run.cost import held, measurable
from restorebench.benchmark.run.restore import restored
from restorebench.benchmark.types import Audio, FloatArray

MAX_DELAY_S, MAX_LOUDNESS_DELAY_S = 0.001, 0.006
MAX_GAIN_DB = 3.0
MAX_DC = 0.01
"""Largest mean of the output, as a fraction of the output's root mean square."""
QUIET = 0.01
"""Largest peak of the output for digital silence."""
TAIL_S, MIN_TAIL_DB = 0.05, -20.0
GROWTH_MIB, REPEATS = 20.0, 8
SHORT_S = (0.1, 0.01)

Verdict = Literal["ok", "fault", "not told"]


@dataclass(frozen=True)
class Finding:
    """The verdict of one check and what it measured."""

    check: str
    verdict: Verdict
    seen: str


class Subject:
    """A system under check, at one rate."""

    def __init__(self, system: System, rate: int) -> None:
        self.system, self.rate = system, rate

    def restore(self, samples: FloatArray, seed: int = 0) -> FloatArray:
        """The output for one clip [time]. Raises what the system raises."""
        [output] = self.restore_batch([samples], [seed])
        return output.samples

    def restore_batch(self, batch: Sequence[FloatArray], seeds: Sequence[int]) -> Sequence[Audio]:
        return restored(self.system, [Audio(samples.copy(), self.rate) for samples in batch], list(seeds))

    def on_speech(self) -> Alignment:
        """Delay, polarity and gain of the system's output for clean speech."""
        given = sounds.speech(self.rate)
        return align(self.restore(given), given, self.rate)


Check = Callable[[Subject], tuple[Verdict, str]]
CHECKS: dict[str, Check] = {}
"""Name -> check, in the order in which the checks are shown."""


def check(name: str) -> Callable[[Check], Check]:
    def add(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return add


def examine(subject: Subject, name: str) -> Finding:
    """The finding of one check; if the system raises an error, the verdict is "fault"."""
    try:
        verdict, seen = CHECKS[name](subject)
    except Exception as error:
        return Finding(name, "fault", f"it fails: {reason(error)}")
    return Finding(name, verdict, seen)


def verdict_of(holds: bool, seen: str) -> tuple[Verdict, str]:
    """The verdict "ok" if the property holds, else "fault", with what the check measured."""
    return "ok" if holds else "fault", seen


@check("rate")
def _rate(subject: Subject) -> tuple[Verdict, str]:
    [output] = subject.restore_batch([sounds.speech(subject.rate)], [0])
    return verdict_of(output.rate == subject.rate, f"{output.rate} Hz for {subject.rate} Hz")


@check("length")
def _length(subject: Subject) -> tuple[Verdict, str]:
    lengths = [subject.rate, subject.rate + 1, round(1.2345 * subject.rate)]
    restored_lengths = [len(subject.restore(sounds.speech(subject.rate)[:length])) for length in lengths]
    excess = [output_length - length for output_length, length in zip(restored_lengths, lengths, strict=True)]
    seen = f"{', '.join(f'{count:+d}' for count in excess)} samples" if any(excess) else "the input's"
    return verdict_of(not any(excess), seen)


@check("channels")
def _channels(subject: Subject) -> tuple[Verdict, str]:
    output = subject.restore(sounds.speech(subject.rate))
    return verdict_of(
        output.ndim == 1 and output.dtype == np.float32, f"{output.ndim} axes of {output.dtype}; wanted mono float32"
    )


@check("delay")
def _delay(subject: Subject) -> tuple[Verdict, str]:
    pair = subject.on_speech()
    seen = f"{1000 * pair.delay_s:+.1f} ms ({'waveform' if pair.exact else 'loudness'})"
    if subject.system.card.delay_s:
        seen += f", after the {1000 * subject.system.card.delay_s:g} ms that its card states were removed"
    return verdict_of(abs(pair.delay_s) <= (MAX_DELAY_S if pair.exact else MAX_LOUDNESS_DELAY_S), seen)


@check("gain")
def _gain(subject: Subject) -> tuple[Verdict, str]:
    pair = subject.on_speech()
    return verdict_of(abs(pair.gain_db) <= MAX_GAIN_DB, f"{pair.gain_db:+.1f} dB on clean speech")


@check("polarity")
def _polarity(subject: Subject) -> tuple[Verdict, str]:
    pair = subject.on_speech()
    if not pair.exact:
        return "not told", "its output has another waveform than its input"
    return verdict_of(pair.polarity > 0, "kept" if pair.polarity > 0 else "inverted")


@check("dc")
def _dc(subject: Subject) -> tuple[Verdict, str]:
    output = subject.restore(sounds.speech(subject.rate)).astype(np.float64)
    share = abs(output.mean()) / (np.sqrt(np.mean(output**2)) + 1e-12)
    return verdict_of(share <= MAX_DC, f"{share:.2%} of the level")


@check("tail")
def _tail(subject: Subject) -> tuple[Verdict, str]:
    given = sounds.cut_in_a_vowel(subject.rate)
    output, last = subject.restore(given)[: len(given)], round(TAIL_S * subject.rate)
    output = np.pad(output, (0, len(given) - len(output)))
    step = last // 5
    parts = [slice(len(given) - last + n * step, len(given) - last + (n + 1) * step) for n in range(5)]
    levels = [10 * np.log10((np.mean(output[p] ** 2) + 1e-20) / (np.mean(given[p] ** 2) + 1e-20)) for p in parts]
    return verdict_of(min(levels) >= MIN_TAIL_DB, f"{min(levels):+.1f} dB in the quietest 10 ms of the last 50 ms")


@check("clipping")
def _clipping(subject: Subject) -> tuple[Verdict, str]:
    """Restores speech 12 dB above full scale, which float files can contain."""
    output = subject.restore(sounds.speech(subject.rate) * np.float32(8))
    if not np.isfinite(output).all():
        return "fault", "samples that are not finite for input above full scale"
    flat = np.mean((np.abs(output[1:]) >= 0.999) & (output[1:] == output[:-1]))
    return verdict_of(bool(flat < 1e-3), f"{flat:.1%} of the output is constant at full scale for input above it")


@check("finite")
def _finite(subject: Subject) -> tuple[Verdict, str]:
    rate = subject.rate
    given = {
        "silence": sounds.silence(rate),
        "noise": sounds.noise(rate, 1.0),
        "a click in silence": sounds.click(rate),
        "very quiet noise": sounds.noise(rate, 1.0, scale=1e-7),
    }
    bad = [name for name, samples in given.items() if not np.isfinite(subject.restore(samples)).all()]
    return verdict_of(not bad, f"samples that are not finite for {', '.join(bad)}" if bad else "every sample")


@check("silence")
def _silence(subject: Subject) -> tuple[Verdict, str]:
    output = np.nan_to_num(subject.restore(sounds.silence(subject.rate)))
    peak = float(np.abs(output).max())
    return verdict_of(peak <= QUIET, f"a peak of {peak:.2g} for digital silence")


@check("short")
def _short(subject: Subject) -> tuple[Verdict, str]:
    for seconds in SHORT_S:
        samples = sounds.speech(subject.rate)[subject.rate // 2 :][: round(seconds * subject.rate)]
        try:
            output = subject.restore(samples)
        except Exception as error:
            return "fault", f"{seconds:g} s: {reason(error)}"
        if len(output) != len(samples):
            return "fault", f"{seconds:g} s: {len(output)} samples for {len(samples)}"
    return "ok", "0.1 s and 0.01 s"


@check("repeatable")
def _repeatable(subject: Subject) -> tuple[Verdict, str]:
    given = sounds.speech(subject.rate)
    one, two = (subject.restore(given, seed=7) for _ in range(2))
    return verdict_of(np.array_equal(one, two), _difference(one, two))


@check("batch")
def _batch(subject: Subject) -> tuple[Verdict, str]:
    given = [sounds.speech(subject.rate, clip) for clip in range(3)]
    together = [audio.samples for audio in subject.restore_batch(given, [0, 1, 2])]
    if len(together) != len(given):
        return "fault", f"{len(together)} clips for {len(given)}"
    alone = [subject.restore(samples, seed) for seed, samples in enumerate(given)]
    different = [(a, b) for a, b in zip(together, alone, strict=True) if not np.array_equal(a, b)]
    return verdict_of(not different, _difference(*different[0]) if different else "equal samples in a batch and alone")


@check("state")
def _state(subject: Subject) -> tuple[Verdict, str]:
    given = sounds.speech(subject.rate)
    first = subject.restore(given)
    subject.restore(sounds.noise(subject.rate, 2.0, scale=0.3))
    again = subject.restore(given)
    return verdict_of(np.array_equal(first, again), _difference(first, again))


@check("input")
def _input(subject: Subject) -> tuple[Verdict, str]:
    given = Audio(sounds.speech(subject.rate).copy(), subject.rate)
    subject.system.restore([given], [0])
    return verdict_of(np.array_equal(given.samples, sounds.speech(subject.rate)), "its input must stay unchanged")


@check("memory")
def _memory(subject: Subject) -> tuple[Verdict, str]:
    if not measurable():
        return "not told", "this operating system does not report the memory of a process"
    given = sounds.speech(subject.rate)
    for _ in range(2):
        subject.restore(given)
    before = held("VmRSS")
    for _ in range(REPEATS):
        subject.restore(given)
    growth = held("VmRSS") - before
    return verdict_of(growth <= GROWTH_MIB, f"{growth:+.0f} MiB over {REPEATS} clips")


def _difference(one: FloatArray, two: FloatArray) -> str:
    if one.shape != two.shape:
        return f"{len(one)} and {len(two)} samples"
    largest = float(np.abs(one.astype(np.float64) - two).max())
    return f"samples that differ by up to {largest:.2g}" if largest else "equal samples"
