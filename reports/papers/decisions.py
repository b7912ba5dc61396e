"""The register of decisions: what the papers leave open, what was chosen, and the setting for the alternative."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field

from restorebench.benchmark.types import Table


class Decision(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^D\d+$")
    papers: tuple[str, ...]
    section: str
    """Section of the paper; for several papers, the section of each."""
    question: str
    choice: str
    alternative: str
    option: str
    """The setting that selects the alternative; "" if no setting does."""


@cache
def decisions() -> tuple[Decision, ...]:
    """Every decision, in the register's order."""
    text = files(__package__).joinpath("decisions.toml").read_text(encoding="utf-8")
    return tuple(Decision.model_validate(entry) for entry in tomllib.loads(text)["decision"])


def decisions_table() -> Table:
    """The register as a table."""
    columns = ("id", "paper", "section", "question", "alternative", "option", "choice")
    rows = [(d.id, ", ".join(d.papers), d.section, d.question, d.alternative, d.option, d.choice) for d in decisions()]
    details = ("paper", "section", "alternative", "option")
    return Table("Decisions", columns, tuple(rows), details=details)
