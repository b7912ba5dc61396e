"""Every citation can be followed: cited decisions are in the register, and nothing cites private notes."""

from __future__ import annotations

import re
from pathlib import Path

from restorebench.reports.papers.decisions import decisions
from tests.conftest import Cli

ROOT = Path(__file__).parents[2]
FOLDERS = ("benchmark", "systems", "corruptions", "metrics", "reports", "tests")
FILES = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".toml", ".md") and path != Path(__file__)
)
DECISION = re.compile(r"\bD(\d{1,2})(?:-D(\d{1,2}))?\b")
PRIVATE = re.compile(r"specs §|papers/(masksr2|sise)( |\"|$|\))", re.MULTILINE)


def cited(text: str) -> set[int]:
    ranges = [(int(first), int(last or first)) for first, last in DECISION.findall(text)]
    return {number for first, last in ranges for number in range(first, last + 1)}


def test_the_decisions_are_numbered_without_gaps() -> None:
    assert [decision.id for decision in decisions()] == [f"D{n}" for n in range(1, len(decisions()) + 1)]


def test_decisions_that_are_cited_are_in_the_register() -> None:
    known = set(range(1, len(decisions()) + 1))
    unknown = {str(path): sorted(cited(path.read_text(encoding="utf-8")) - known) for path in FILES}
    assert not {path: numbers for path, numbers in unknown.items() if numbers}
    assert cited("D3, D11-D13 and not AD9 or D100") == {3, 11, 12, 13}


def test_no_citation_of_private_notes() -> None:
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *FILES]
    assert not [str(path) for path in files if PRIVATE.search(path.read_text(encoding="utf-8"))]
    assert PRIVATE.search("as in specs §3")
    assert PRIVATE.search("MaskSR2 (papers/masksr2)")


def test_the_register_is_listed(cli: Cli) -> None:
    done = cli("list", "decisions", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == len(decisions()) + 1
