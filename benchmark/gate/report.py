"""The gate's result as a table and as JUnit XML."""

from __future__ import annotations

from xml.etree import ElementTree as xml

from restorebench.benchmark.core.text import printable
from restorebench.benchmark.gate.gate import GateResult
from restorebench.benchmark.types import Table


def table(verdict: GateResult) -> Table:
    """The gated values, regressions first."""
    rows = []
    for one in sorted(verdict.judged, key=lambda one: not one.fails):
        before, now, worse = (
            "–" if number is None else format(number, form)
            for number, form in ((one.before, ".4g"), (one.now, ".4g"), (one.worse, "+.3g"))
        )
        rows.append(
            ("FAIL" if one.fails else "pass", one.condition, one.value, before, now, worse, f"{one.margin:g}",
             f"{one.p:.2g}", str(one.clips), one.why)
        )  # fmt: skip
    failed = sum(one.fails for one in verdict.judged)
    outcome = f"{failed} of {len(verdict.judged)} values regressed" if failed else "passes"
    notes = (
        f"{verdict.system} against the baseline {verdict.baseline.system} ({verdict.baseline.reason})",
        "a value fails when it is worse by more than its margin and chance does not explain it "
        "(one-sided sign flips on the same clips, Holm), or when single clips broke: worse by ten margins, far from "
        "the rest",
    )
    columns = ("", "condition", "value", "baseline", "now", "worse by", "margin", "p", "clips", "why")
    return Table(f"Gate: {outcome}", columns, tuple(rows), notes)


def refusal(why: str) -> Table:
    """The table of a gate that could not decide."""
    return Table("Gate: cannot judge", ("why",), ((why,),))


def junit(verdict: GateResult) -> bytes:
    """A JUnit file: a test case per value."""
    failed = sum(one.fails for one in verdict.judged)
    suite = xml.Element(
        "testsuite", name=f"restorebench.{verdict.baseline.suite}", tests=str(len(verdict.judged)), failures=str(failed)
    )
    for one in verdict.judged:
        case = xml.SubElement(suite, "testcase", classname=f"{verdict.system}.{one.condition}", name=one.value)
        if one.fails:
            xml.SubElement(case, "failure", message=one.why)
    return _written(suite)


def junit_refusal(why: str) -> bytes:
    """The JUnit file of a gate that could not decide: one error."""
    suite = xml.Element("testsuite", name="restorebench", tests="1", errors="1")
    xml.SubElement(xml.SubElement(suite, "testcase", classname="gate", name="judged"), "error", message=why)
    return _written(suite)


def _written(suite: xml.Element) -> bytes:
    for element in suite.iter():
        element.attrib = {name: printable(value) for name, value in element.attrib.items()}
    text: bytes = xml.tostring(suite, encoding="utf-8", xml_declaration=True)
    return text
