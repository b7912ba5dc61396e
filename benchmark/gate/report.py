"""The gate's result as a table and as JUnit XML."""

from __future__ import annotations

from xml.etree import ElementTree as xml

from restorebench.benchmark.core.text import printable
from restorebench.benchmark.gate.gate import GateResult
from restorebench.benchmark.types import Table


def table(verdict: GateResult) -> Table:
    """The gated values, regressions first."""
    rows = []
    for gated in sorted(verdict.judged, key=lambda value: not value.fails):
        before, now, worse = (
            "–" if number is None else format(number, form)
            for number, form in ((gated.before, ".4g"), (gated.now, ".4g"), (gated.worse, "+.3g"))
        )
        rows.append(
            ("FAIL" if gated.fails else "pass", gated.condition, gated.value, before, now, worse, f"{gated.margin:g}",
             f"{gated.p:.2g}", str(gated.clips), gated.why)
        )  # fmt: skip
    failed = sum(gated.fails for gated in verdict.judged)
    outcome = f"{failed} of {len(verdict.judged)} values regressed" if failed else "passes"
    notes = (
        f"{verdict.system} against the baseline {verdict.baseline.system} ({verdict.baseline.reason})",
        "a value fails in three cases: it is worse by more than its margin and the difference is significant "
        "(one-sided sign-flip test on the same clips, Holm correction); a clip became worse by more than ten margins "
        "(error rates: 50 percentage points) and is an outlier among the clips' differences; a clip, or one of its "
        "seeds, has no value any more",
    )
    columns = ("", "condition", "value", "baseline", "now", "worse by", "margin", "p", "clips", "why")
    return Table(f"Gate: {outcome}", columns, tuple(rows), notes)


def cannot_judge_table(why: str) -> Table:
    """The table for a gate that cannot judge."""
    return Table("Gate: cannot judge", ("why",), ((why,),))


def junit(verdict: GateResult) -> bytes:
    """A JUnit file: a test case per value."""
    failed = sum(gated.fails for gated in verdict.judged)
    suite = xml.Element(
        "testsuite", name=f"restorebench.{verdict.baseline.suite}", tests=str(len(verdict.judged)), failures=str(failed)
    )
    for gated in verdict.judged:
        case = xml.SubElement(suite, "testcase", classname=f"{verdict.system}.{gated.condition}", name=gated.value)
        if gated.fails:
            xml.SubElement(case, "failure", message=gated.why)
    return _xml_bytes(suite)


def cannot_judge_junit(why: str) -> bytes:
    """The JUnit file for a gate that cannot judge: one error."""
    suite = xml.Element("testsuite", name="restorebench", tests="1", errors="1")
    xml.SubElement(xml.SubElement(suite, "testcase", classname="gate", name="can judge"), "error", message=why)
    return _xml_bytes(suite)


def _xml_bytes(suite: xml.Element) -> bytes:
    """The XML file's bytes, with control characters removed from every attribute."""
    for element in suite.iter():
        element.attrib = {name: printable(value) for name, value in element.attrib.items()}
    text: bytes = xml.tostring(suite, encoding="utf-8", xml_declaration=True)
    return text
