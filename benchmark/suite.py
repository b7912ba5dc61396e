"""A suite, read from a TOML file: a corpus, the conditions that degrade it, and default metrics and systems."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.core.text import read_toml
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.registry import unknown


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


LONGEST_SHOWN = 40
"""Largest number of characters that `spoken_by` keeps of a suite's name, and of a synthesizer's name."""
Name = Annotated[str, Field(pattern=r"^[.]*[\w@-][\w.@-]*$", max_length=100)]
"""Name of a suite or condition; restricted to characters that are safe in file names."""
PATH_OPTIONS = ("root", "path", "folder", "list", "spoken")
"""Options that name a file or folder."""
KEYWORD_OR_PATH_OPTIONS = ("noise", "rir", "texts")
"""Options whose value is a path if it contains a slash, as in `./noise`, and a keyword otherwise."""


class CorpusSpec(_Table):
    reader: str
    name: str = ""
    """Name of the corpus in the cards of systems, such as `LibriSpeech`: boards mark systems trained on it."""
    options: dict[str, Any] = Field(default_factory=dict)
    rate: int | None = Field(default=None, ge=8000, le=768_000)
    """Rate in Hz to which clips are resampled before they are degraded; None keeps each file's rate."""
    fetch: tuple[str, ...] = ()
    """Names, in the catalogue of corpora, of the speech and of the noise that the suite needs."""
    say: Literal["", "another"] = ""
    """Source of the text that a synthesizer speaks, in a suite with speech. "": the corpus lists a text for each clip;
    another: the text of the clip that is half the corpus further on."""
    needs: str = ""
    """One line on the files that a user needs for this corpus, with their licence and origin."""


class Condition(_Table):
    """One way of degrading every clip. A suite of recorded degraded clips has no condition."""

    name: Name
    corruption: str
    options: dict[str, Any] = Field(default_factory=dict)
    factor: str = ""
    severity: float | None = None


class PaperSet(_Table):
    """The published test set that a condition reproduces, and how the condition differs from it."""

    paper: str
    test_set: str
    table: str = ""
    """The paper's table, where several tables use the test set; "" all of them."""
    clips: int | None = None
    """Number of clips of the published set; scores on any other number of clips are not comparable."""
    differs: str = ""
    """Why no number on this condition may be compared with the published numbers; "" if they may be compared."""
    open: str = ""
    """Properties of the set that the paper does not specify; if not "", only numbers of `target` may be compared."""
    caveat: str = ""
    """A limitation that is shown beside the comparison with the published numbers."""


class Suite(_Table):
    name: Name
    version: int = Field(ge=1)
    draws: str = ""
    """Name of a suite whose random draws this suite uses, so that both have the same recipes; "" for its own draws."""
    summary: str
    corpus: CorpusSpec
    condition: tuple[Condition, ...] = ()
    metrics: tuple[str, ...]
    """Metrics of the profile `embedded`, which is the default."""
    stand_ins: dict[str, str] = Field(default_factory=dict)
    """Metric -> the metric that is measured instead where the first one cannot be used."""
    paper_metrics: tuple[str, ...] = ()
    """Metrics of the profile `paper`: the scorers that the papers used; some need large weights."""
    systems: tuple[str, ...]
    speech: bool = False
    """Whether the systems' outputs are prompts of a synthesizer, whose speech is scored (SISE Table 2)."""
    synthesizer: str = ""
    """Name of the synthesizer, in a suite with speech; "": a run names it."""
    base: str = ""
    """Name of the suite from which this one differs only in the synthesizer: clips and seeds are that suite's."""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(0,), min_length=1)
    limit: int | None = Field(default=None, ge=1)
    paper: dict[str, PaperSet] = Field(default_factory=dict)
    """Condition name (`*`: every condition) -> the published test set whose numbers are shown for comparison."""
    open_decisions: tuple[str, ...] = ()
    """Details that the paper leaves open, with our choices."""

    @model_validator(mode="after")
    def _synthesizer_needs_speech(self) -> Suite:
        if (self.synthesizer or self.corpus.say) and not self.speech:
            raise ValueError("synthesizer or corpus.say is set without speech = true; set it, or remove them")
        return self

    @field_validator("condition")
    @classmethod
    def _names_differ(cls, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        names = [condition.name for condition in conditions]
        if len(set(names)) < len(names):
            raise ValueError(f"two conditions share a name; wanted different names, got {', '.join(names)}")
        return conditions

    def paper_set(self, condition: str) -> PaperSet | None:
        return self.paper.get(condition, self.paper.get("*"))


def spoken_by(suite: Suite, synthesizer: str) -> Suite:
    """The suite with the given synthesizer ("": the suite's own).

    With a synthesizer other than the suite's own, the new suite's name contains the synthesizer's name, so that their
    results are kept apart. All synthesizers get the same prompts, since degraded clips and seeds are not changed.

    Raises RequestError when a suite without speech is given a synthesizer, or a suite with speech has none.
    """
    if not suite.speech:
        if synthesizer:
            raise RequestError(
                f"{suite.name} has no speech, so it takes no synthesizer; suites with speech: {_with_speech()}"
            )
        return suite
    if not (synthesizer or suite.synthesizer):
        raise RequestError(f"{suite.name} needs a synthesizer: name one with --synthesizer")
    if not synthesizer or synthesizer == suite.synthesizer:
        return suite
    safe_name = re.sub(r"[^A-Za-z0-9_.-]", "_", synthesizer)[:LONGEST_SHOWN]
    hash_suffix = f"-{digest(synthesizer)[:8]}" if safe_name != synthesizer else ""
    name = f"{suite.name[:LONGEST_SHOWN]}@{safe_name}{hash_suffix}"
    return Suite.model_validate(suite.model_dump() | {"name": name, "base": suite.name, "synthesizer": synthesizer})


def _with_speech() -> str:
    return ", ".join(name for name in known() if load_suite(name).speech)


def known() -> dict[str, str]:
    """Name -> TOML file of every suite: the bundled suites and those of other packages, sorted by name."""
    suites = {}
    for entry in files("restorebench.benchmark.data").joinpath("suites").iterdir():
        if entry.name.endswith(".toml"):
            suites[entry.name.removesuffix(".toml")] = str(entry)
    for point in entry_points(group="restorebench.suites"):
        package, _, file = point.value.partition(":")
        suites[point.name] = str(files(package).joinpath(f"{file}.toml"))
    return dict(sorted(suites.items()))


def load_suite(name: str) -> Suite:
    """A suite by name, or from a path ending in `.toml`. Raises RequestError if it is unknown or malformed."""
    path = Path(name)
    if path.suffix != ".toml":
        paths = known()
        if name not in paths:
            raise unknown("suites", name, list(paths))
        path = Path(paths[name])
    if not path.is_file():
        raise RequestError(f"{path}: no such suite file")
    tables = read_toml(path)
    for table in (tables.get("corpus"), *_listed(tables.get("condition"))):
        if isinstance(table, dict) and isinstance(table.get("options"), dict):
            table["options"] = {key: _resolved_option(path, key, value) for key, value in table["options"].items()}
    try:
        return Suite.model_validate(tables)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise RequestError(f"{path}: {field}: {first['msg']}") from error


def _listed(value: Any) -> list[Any]:
    """The value if it is a list, else an empty list: `Suite` reports the wrong type."""
    return value if isinstance(value, list) else []


def _resolved_option(suite: Path, key: str, value: Any) -> Any:
    """The value of a suite's option; a relative path is resolved against the folder of the suite's file.

    Raises RequestError for an empty path, and for a path that exists only relative to the working folder.
    """
    if isinstance(value, list):
        return [_resolved_option(suite, key, item) for item in value]
    if key in PATH_OPTIONS and not isinstance(value, str):
        raise RequestError(f"{suite}: {key} = {value!r}; wanted a file or folder")
    if not isinstance(value, str) or ":" in value or Path(value).is_absolute():
        return value
    if key not in PATH_OPTIONS and not (key in KEYWORD_OR_PATH_OPTIONS and "/" in value):
        return value
    if not value:
        raise RequestError(f"{suite}: {key} is empty; wanted a file or folder")
    beside = suite.parent / value
    if beside.exists():
        return str(beside.resolve())
    if Path(value).exists():
        raise RequestError(
            f"{suite}: {key} = {value!r} is not beside the suite's file; paths are relative to it, so wanted {beside}"
        )
    return value
