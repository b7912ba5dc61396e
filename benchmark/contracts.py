"""Protocols that corruptions, systems, metrics and corpora implement, and the cards that describe components."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from restorebench.benchmark.types import Audio, FloatArray, Outcome, Pair, Recipe, Trial, Utterance

T = TypeVar("T")


class Card(BaseModel):
    """Facts about a component. Frozen; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int = Field(ge=1)
    """Increased whenever a number or a sample that the component produces changes."""
    summary: str
    source: str
    """Paper, section or equation; or the upstream project and commit."""
    licence: str = "MIT"
    packages: tuple[str, ...] = ()
    """Python distributions that the component needs beyond those of the core."""
    extra: str = ""
    """The extra of restorebench that installs these packages."""
    environment: tuple[str, ...] = ()
    """Pinned requirements of the component's own Python environment, built at first use (isolation/environments.py)."""
    weights: tuple[str, ...] = ()
    """Names in the weights catalogue."""
    identity: str = ""
    """Hash of anything else that affects the component's numbers or samples, such as a checkpoint file."""
    cost: float = 0.0
    """CPU seconds per second of audio on one core of a 2026 server, for the plan's estimate; 0 where negligible."""


class CorruptionCard(Card):
    pass


class TrainingCorpus(BaseModel):
    """A corpus that a system was trained on, according to its checkpoint or its paper."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    corpus: str
    recordings: int | None = None
    hours: float | None = None
    speakers: tuple[str, ...] = ()
    """Speaker names as in the corpus; empty where the checkpoint does not list them."""
    licences: tuple[str, ...] = ()


class SystemCard(Card):
    kind: Literal["system", "anchor", "published"] = "system"
    """A system runs on degraded audio only; the sounds of anchors and published folders are used as they are."""
    rate: int | None = None
    """Sampling rate in Hz of the system; the engine resamples its input and output. None: it accepts any rate."""
    delay_s: float = Field(default=0.0, ge=0)
    """Delay in seconds of the output by design. The engine appends this much silence to each clip and cuts the same
    length from the start of the output; boards with such a system have a note about it."""
    parameters: int | None = None
    stochastic: bool = False
    checkpoint: bool = False
    """True for a system that has no public weights: the user names its checkpoint, as in `masksr2-s@FILE`."""
    argument: str = ""
    """The argument that must follow the system's name after a colon, as in `http:HOST:PORT`; "" if there is none."""
    elsewhere: str = ""
    """How to run a system that RestoreBench cannot run; "" for every other system."""
    deviations: str = ""
    """How the system deviates from its paper, and the setting that restores the paper's version."""
    training: tuple[TrainingCorpus, ...] = ()
    """Training corpora; boards mark a system that was trained on the test set's speakers or corpus."""
    steps: int | None = None
    """Number of training steps according to the checkpoint; a board has a note when there were few."""


RANGES = {
    "%": (0.0, inf),  # with insertions, an error rate can exceed 100
    "log10": (0.0, inf),
    "cos": (-1.0, 1.0),
    "(cos+1)/2": (0.0, 1.0),
    "0..1": (0.0, 1.0),
    "MOS-LQO": (1.0, 4.65),
}
"""Lowest and highest possible score, for units that have bounds."""


class Value(BaseModel):
    """One number that a metric gives per clip, and the rule that reduces the clips' numbers to a table cell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: str
    unit: str
    direction: Literal["higher", "lower"]
    reduction: Literal["mean", "rate"] = "mean"
    """rate: sum of the component `errors` over sum of the component `total`, in percent when the unit is %."""
    decimals: int = 2
    ideal: float | None = None
    """The score of a reference against itself; None for values that need no reference."""
    role: Literal["quality", "intelligibility", "voice", "fidelity", "pauses", "speed", ""] = ""
    """Category of what the value measures. Reports select values by role, never by name."""
    headline: bool = False
    """Whether a report that shows one value per role shows this one."""
    stand_in: bool = False
    """Whether the value is a substitute for a paper's scorer: reports prefer another value of the same role."""
    margin: float | None = None
    """Default non-inferiority margin of the gate, in the value's unit; None: a baseline has to name one."""
    limit: float | None = None
    """For a speaker similarity: the score below which the two voices probably belong to different speakers."""

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest possible score in the value's unit; confidence intervals are clipped to this range."""
        return RANGES.get(self.unit, (-inf, inf))


class MetricCard(Card):
    values: tuple[Value, ...]
    needs: frozenset[Literal["reference", "text", "seconds"]]
    definition: str
    """The choices that fix the number: model hash, windowing, resampler, normaliser. Part of the signature."""
    invariant_to_gain: bool = False
    aligned: bool = True
    """False for a metric that does not compare sample by sample: it scores estimates as delivered, of any length."""
    imported: bool = False
    """True for a metric that is computed elsewhere and read from a table (`restorebench score --import`)."""

    @property
    def conforms(self) -> bool:
        """Whether estimates are brought to the reference's rate and length before the metric scores them."""
        return "reference" in self.needs and self.aligned


class Clip(Protocol):
    """One sound for metrics: it is decoded once, and each derived representation is computed once."""

    @property
    def audio(self) -> Audio: ...

    @property
    def seconds(self) -> float | None:
        """Seconds of processing in which a system made the sound; None where not timed, as for supplied sounds."""
        ...

    def at(self, rate: int) -> FloatArray:
        """The samples at `rate` Hz, resampled once."""
        ...

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """The result of `compute()`, which is called only the first time that this name is used."""
        ...


class Subject(BaseModel):
    """What is known of a clip independently of any system: clean reference, transcript and language."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    reference: Any = None
    """A Clip, or None."""
    text: str | None = None
    language: str = "en"


@runtime_checkable
class Metric(Protocol):
    """Scores the outputs of several systems for one clip.

    If the card's `conforms` is true, estimates are brought to the reference's rate and length before they are scored;
    otherwise they are scored as delivered.
    """

    card: MetricCard

    def prepare(self, subject: Subject) -> Any:
        """The data that `score` needs of the subject, computed once per clip."""
        ...

    def score(self, prepared: Any, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        """One mapping per estimate, keyed by value name. Raises on input that it cannot score."""
        ...


Words = Sequence[tuple[str, str]]
"""A reference text aligned with a transcript: (text, transcript) passages in order; "" where one has no words."""


@runtime_checkable
class Transcribes(Protocol):
    """A metric that counts errors of a recogniser, and keeps the recogniser's transcripts."""

    def words(self, subject: Subject, estimate: Clip) -> Words | None:
        """The text aligned with the kept transcript; None without a kept transcript. Never runs the recogniser."""
        ...


@runtime_checkable
class System(Protocol):
    """A restorer. It has no access to the target, the recipe or the clip's name."""

    card: SystemCard

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> Sequence[Audio]:
        """Restored versions, each of its input's rate and length; one integer seed per clip."""
        ...


@runtime_checkable
class Supplied(Protocol):
    """An anchor or a folder of finished audio, whose sounds the engine uses as they are instead of running a system."""

    card: SystemCard

    def offers(self, trial: Trial) -> bool:
        """Whether there is a sound for this clip."""
        ...

    def identity(self, trial: Trial) -> str:
        """Hash of the finished file; "" where the trial itself decides the sound."""
        ...

    def supply(self, trial: Trial, pair: Pair) -> Audio:
        """The finished sound for this clip. Raises when it is missing or cannot be read."""
        ...


class SynthesizerCard(Card):
    rate: int
    """Sampling rate in Hz of the synthesizer's speech."""
    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes of the languages that the synthesizer speaks."""
    clones: bool = True
    """Whether it clones the prompt's voice. If not, it is a control: its scores do not depend on the prompts."""
    prompt_changes: Mapping[str, str] = {}
    """How a prompt is changed before the model gets it: name of the check that finds the change (cut, clipped,
    denoised) -> description of the change. Resampling does not count as a change."""
    watermark: bool = False
    """Whether the speech has a watermark."""
    argument: str = ""
    """The argument that must follow the name after a colon, as in `published:DIR`; "" if there is none."""
    checkpoint: bool = False
    """True for a synthesizer whose checkpoint the user names, as in `sise-tts@FILE`."""
    deviations: str = ""
    """How the synthesizer deviates from its paper."""
    training: tuple[TrainingCorpus, ...] = ()
    steps: int | None = None
    """Number of training steps according to the checkpoint."""
    parameters: int | None = None


@dataclass(frozen=True)
class SpeechRequest:
    """A sentence that a synthesizer is to say in the voice of a prompt."""

    prompt: Audio
    prompt_text: str
    """The text that is spoken in the prompt."""
    text: str
    """The text that the synthesizer is to speak."""
    language: str
    """ISO 639-1 code of both texts."""
    seed: int


@runtime_checkable
class Synthesizer(Protocol):
    """A zero-shot text-to-speech system for the downstream test (SISE Table 2)."""

    card: SynthesizerCard

    def synthesize(self, requests: Sequence[SpeechRequest]) -> Sequence[Audio]:
        """Speech of each request, at the card's rate. Equal requests give equal samples."""
        ...


@dataclass(frozen=True)
class SpeechTrace:
    """What a synthesizer's model got for one request."""

    heard: Audio
    """The prompt as the model's first layer got it."""
    runs: int
    """How often the model generated: more than once for one sentence is a hidden retry."""


@runtime_checkable
class Traced(Protocol):
    """A synthesizer that reports what its model gets, for `restorebench check-system`."""

    def trace(self, request: SpeechRequest) -> SpeechTrace:
        """Synthesizes the request and records the model's prompt and number of runs."""
        ...


@dataclass(frozen=True)
class Scene:
    """What a corruption may use when it draws a recipe: the clip's rate, length and location, and other clips."""

    rate: int
    seconds: float
    uri: str = ""
    others: Sequence[str] = ()
    """Locations of other clips of the corpus, for babble."""


@runtime_checkable
class Corruption(Protocol):
    """Draws recipes, then renders them: `render` uses no randomness beyond what the recipe holds."""

    card: CorruptionCard

    def draw(self, rng: np.random.Generator, scene: Scene) -> Recipe: ...

    def render(self, recipe: Recipe, clean: Audio) -> Pair: ...


class Corpus(Protocol):
    """A reader: the utterances of a corpus in a fixed order. Raises RequestError saying what is missing."""

    def utterances(self) -> Iterable[Utterance]: ...
