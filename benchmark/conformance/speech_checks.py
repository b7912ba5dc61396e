"""One check per property that a zero-shot TTS needs for the downstream test (SISE Table 2).

The test compares restorers by the speech for which their outputs are the prompts, so a prompt must reach the model
unchanged, and a failed sentence must stay a failure. A synthesizer's optional method `trace` reports what the
model got; without this method, four checks have the verdict "not told".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np

from restorebench.benchmark.audio import resample
from restorebench.benchmark.conformance import sounds
from restorebench.benchmark.conformance.check_system import Conformance
from restorebench.benchmark.conformance.checks import Finding, Verdict, verdict_of
from restorebench.benchmark.contracts import SpeechRequest, SpeechTrace, Synthesizer, Traced
from restorebench.benchmark.core.progress import Progress, silent
from restorebench.benchmark.errors import RequestError, reason
from restorebench.benchmark.run.speak import SILENT_PEAK
from restorebench.benchmark.types import Audio, FloatArray

PROMPT_RATE = 24_000
PROMPT_TEXTS = {
    "en": ("These days a chicken leg is a rare dish.", "It's easy to tell the depth of a well."),
    "zh": ("这几天鸡腿是一道难得的菜。", "要知道一口井有多深很容易。"),
}
"""Texts of the prompts; a synthesizer without English gets the English recordings with the Mandarin texts."""
TEXTS = {
    "en": ("The small pup gnawed a hole in the sock.", "Rice is often served in round bowls.", "The fish twisted."),
    "zh": ("我们明天去公园散步。", "老师在教室里讲课。", "很容易。"),
}
SECONDS_PER_CHARACTER = {"en": 0.065, "zh": 0.23}
SHORTEST, LONGEST = 0.3, 3.0
"""Bounds of the length of speech, as multiples of the estimate from the text."""
LONG_PROMPT_S = 15.0
MAX_CUT_S, MAX_LEVEL_DB, MAX_NOISE_LOSS_DB = 0.02, 0.1, 1.0
LEAD_S, NOISE_SCALE = 1.0, 0.02
"""Length of the noise before the speech of a noisy prompt, and its standard deviation."""
ABOVE_FULL_SCALE = 1.6
SEED = 7
NOT_TRACED = "it has no method trace(request), which reports what its model got"


class SpeechSubject:
    """A synthesizer under check. Speech that several checks use is synthesized once."""

    def __init__(self, synthesizer: Synthesizer) -> None:
        self.synthesizer, self.card = synthesizer, synthesizer.card
        self.language = next((language for language in self.card.languages if language in TEXTS), "")
        if not self.language:
            spoken, known = ", ".join(self.card.languages), ", ".join(TEXTS)
            raise RequestError(f"{self.card.name} speaks {spoken}; a synthesizer can be checked in {known}")

    def request(self, text: int = 0, voice: int = 0, prompt: FloatArray | None = None) -> SpeechRequest:
        """A request for test sentence `text` in the voice of test clip `voice`, or with `prompt` [time] at 24 kHz."""
        samples = sounds.speech(PROMPT_RATE, voice) if prompt is None else prompt
        repeats = max(1, round(len(samples) / len(sounds.speech(PROMPT_RATE))))
        said = " ".join([PROMPT_TEXTS[self.language][voice]] * repeats)
        return SpeechRequest(Audio(samples.copy(), PROMPT_RATE), said, TEXTS[self.language][text], self.language, SEED)

    def say(self, *requests: SpeechRequest) -> list[Audio]:
        """Speech of each request, in one call. Raises what the synthesizer raises."""
        spoken = list(self.synthesizer.synthesize(list(requests)))
        if len(spoken) != len(requests):
            raise ValueError(f"{len(spoken)} sounds for {len(requests)} requests")
        return spoken

    @cached_property
    def first(self) -> Audio:
        [audio] = self.say(self.request())
        return audio

    @cached_property
    def all_texts(self) -> list[Audio]:
        """Each test sentence, said in one call."""
        return self.say(*(self.request(text) for text in range(3)))

    def trace(self, prompt: FloatArray | None = None) -> SpeechTrace | None:
        """What the model gets of a prompt [time] at 24 kHz, a test clip by default; None without `trace`."""
        request = self.request(prompt=prompt)
        return self.synthesizer.trace(request) if isinstance(self.synthesizer, Traced) else None

    @property
    def untraced(self) -> tuple[Verdict, str]:
        """The verdict of a check of the prompt for a synthesizer without `trace`."""
        if not self.card.clones:
            return "ok", "a control, whose model gets no prompt"
        return "not told", NOT_TRACED


SpeechCheck = Callable[[SpeechSubject], tuple[Verdict, str]]
CHECKS: dict[str, SpeechCheck] = {}
"""Name -> check, in the order in which the checks are shown."""


def check(name: str) -> Callable[[SpeechCheck], SpeechCheck]:
    def add(function: SpeechCheck) -> SpeechCheck:
        CHECKS[name] = function
        return function

    return add


def check_synthesizer(synthesizer: Synthesizer, progress: Progress = silent) -> Conformance:
    """Runs every check of a synthesizer, in this process.

    Args:
        synthesizer: The synthesizer to be checked; its weights must be on this machine.
        progress: Shows the progress of the checks.
    """
    subject = SpeechSubject(synthesizer)
    findings: list[Finding] = []

    def steps() -> Iterator[int]:
        for name in CHECKS:
            findings.append(examine(subject, name))
            yield 1

    progress("check", len(CHECKS), steps())
    return Conformance(synthesizer.card.name, {synthesizer.card.rate: tuple(findings)})


def examine(subject: SpeechSubject, name: str) -> Finding:
    """The finding of one check; if the synthesizer raises an error, the verdict is "fault"."""
    try:
        verdict, seen = CHECKS[name](subject)
    except Exception as error:
        return Finding(name, "fault", f"it fails: {reason(error)}")
    return Finding(name, verdict, seen)


@check("rate")
def _rate(subject: SpeechSubject) -> tuple[Verdict, str]:
    rate, wanted = subject.first.rate, subject.card.rate
    return verdict_of(rate == wanted, f"{rate} Hz; its card: {wanted} Hz")


@check("empty")
def _empty(subject: SpeechSubject) -> tuple[Verdict, str]:
    peaks = [float(np.abs(np.nan_to_num(audio.samples)).max(initial=0.0)) for audio in subject.all_texts]
    seen = f"a peak of {min(peaks):.2g} in the quietest of {len(peaks)} sentences"
    return verdict_of(min(peaks) >= SILENT_PEAK, seen)


@check("finite")
def _finite(subject: SpeechSubject) -> tuple[Verdict, str]:
    bad = [n for n, audio in enumerate(subject.all_texts) if not np.isfinite(audio.samples).all()]
    return verdict_of(not bad, "samples that are not finite" if bad else "every sample")


@check("length")
def _length(subject: SpeechSubject) -> tuple[Verdict, str]:
    ratios = []
    for number, audio in enumerate(subject.all_texts):
        text = subject.request(number).text
        ratios.append(audio.seconds / (len(text) * SECONDS_PER_CHARACTER[subject.language]))
    seen = f"{min(ratios):.1f} to {max(ratios):.1f} times the length expected from {len(ratios)} texts"
    return verdict_of(min(ratios) >= SHORTEST and max(ratios) <= LONGEST, seen)


@check("seed")
def _seed(subject: SpeechSubject) -> tuple[Verdict, str]:
    [again] = subject.say(subject.request())
    return verdict_of(_equal(subject.first, again), _difference(subject.first, again, "two calls with one seed"))


@check("batch")
def _batch(subject: SpeechSubject) -> tuple[Verdict, str]:
    together = subject.all_texts[0]
    return verdict_of(_equal(subject.first, together), _difference(subject.first, together, "alone and beside others"))


@check("prompt")
def _prompt(subject: SpeechSubject) -> tuple[Verdict, str]:
    """A synthesizer that clones must depend on the prompt; a control must not."""
    request = subject.request(voice=1)
    [other] = subject.say(replace(request, prompt_text=subject.request().prompt_text))
    same = _equal(subject.first, other)
    if subject.card.clones:
        return verdict_of(not same, f"another prompt gives {'the same' if same else 'other'} speech")
    seen = "as a control, it ignores the prompt" if same else "a control whose speech depends on the prompt"
    return verdict_of(same, seen)


@check("cut")
def _cut(subject: SpeechSubject) -> tuple[Verdict, str]:
    given = sounds.long_speech(PROMPT_RATE, LONG_PROMPT_S / 60)
    trace = subject.trace(given)
    if trace is None:
        return subject.untraced
    missing = LONG_PROMPT_S - trace.heard.seconds
    seen = f"{missing:+.2f} s of {LONG_PROMPT_S:.0f} s are missing"
    return _unless_declared(subject, "cut", abs(missing) <= MAX_CUT_S, seen)


@check("clipped")
def _clipped(subject: SpeechSubject) -> tuple[Verdict, str]:
    """A prompt above full scale, and one far below, must keep their peaks."""
    losses = []
    for scale in (ABOVE_FULL_SCALE, 0.02):
        given = sounds.speech(PROMPT_RATE) * np.float32(scale / sounds.PEAK)
        trace = subject.trace(given)
        if trace is None:
            return subject.untraced
        expected, heard = _prompt_and_heard(given, trace)
        losses.append(20 * np.log10((np.abs(heard).max() + 1e-12) / np.abs(expected).max()))
    worst = max(losses, key=abs)
    return _unless_declared(subject, "clipped", abs(worst) <= MAX_LEVEL_DB, f"{worst:+.1f} dB at the peak of a prompt")


@check("denoised")
def _denoised(subject: SpeechSubject) -> tuple[Verdict, str]:
    lead = sounds.noise(PROMPT_RATE, LEAD_S, NOISE_SCALE)
    speech = sounds.speech(PROMPT_RATE)
    noise = sounds.noise(PROMPT_RATE, len(speech) / PROMPT_RATE, NOISE_SCALE, seed=1)
    given = np.concatenate([lead, speech + noise])
    trace = subject.trace(given)
    if trace is None:
        return subject.untraced
    expected, heard = _prompt_and_heard(given, trace)
    first = slice(0, round(0.9 * LEAD_S * trace.heard.rate))
    lost = 10 * np.log10((np.mean(expected[first] ** 2) + 1e-20) / (np.mean(heard[first] ** 2) + 1e-20))
    seen = f"{lost:+.1f} dB of the prompt's noise are missing"
    return _unless_declared(subject, "denoised", abs(lost) <= MAX_NOISE_LOSS_DB, seen)


@check("retries")
def _retries(subject: SpeechSubject) -> tuple[Verdict, str]:
    """With a prompt of noise, a model may fail; its first speech must be the result, whatever the quality."""
    runs = []
    for prompt in (None, sounds.noise(PROMPT_RATE, 3.0, 0.2)):
        trace = subject.trace(prompt)
        if trace is None:
            return "not told", NOT_TRACED
        runs.append(trace.runs)
    return verdict_of(max(runs) == 1, f"its model ran {max(runs)} times for one sentence")


@check("input")
def _input(subject: SpeechSubject) -> tuple[Verdict, str]:
    request = subject.request()
    subject.say(request)
    kept = np.array_equal(request.prompt.samples, sounds.speech(PROMPT_RATE))
    return verdict_of(kept, "the caller's prompt must stay unchanged")


def _unless_declared(subject: SpeechSubject, name: str, holds: bool, seen: str) -> tuple[Verdict, str]:
    """A change of the prompt is a fault unless the card declares it under the name of the check."""
    if not holds and (declared := subject.card.prompt_changes.get(name)):
        return "ok", f"{seen}; its card says: {declared}"
    return verdict_of(holds, seen)


def _prompt_and_heard(given: FloatArray, trace: SpeechTrace) -> tuple[FloatArray, FloatArray]:
    """The prompt and the sound that the model got, at the rate of the latter, cut to the shorter one's length."""
    expected = resample(given, PROMPT_RATE, trace.heard.rate)
    length = min(len(expected), len(trace.heard.samples))
    if not length:
        raise ValueError("its model got no prompt")
    return expected[:length], trace.heard.samples[:length]


def _equal(one: Audio, two: Audio) -> bool:
    return np.array_equal(one.samples, two.samples, equal_nan=True)


def _difference(one: Audio, two: Audio, label: str) -> str:
    if len(one.samples) != len(two.samples):
        return f"{label}: {len(one.samples)} and {len(two.samples)} samples"
    largest = float(np.abs(one.samples.astype(np.float64) - two.samples).max(initial=0.0))
    return f"{label}: samples differ by up to {largest:.2g}" if largest else f"{label}: equal samples"
