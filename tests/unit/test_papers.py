"""The published cells: all 340 are present, and they confirm claims in the text of the papers."""

from collections import Counter

import pytest

from restorebench.reports.papers.published import cells, papers


def test_every_cell_is_there() -> None:
    counts = Counter((cell.paper, cell.table) for cell in cells())
    assert counts == {
        ("masksr2", "I"): 98, ("masksr2", "II"): 6, ("masksr2", "III"): 35, ("masksr2", "IV"): 60, ("masksr2", "V"): 63,
        ("sise", "1"): 54, ("sise", "2"): 24,
    }  # fmt: skip
    assert sum(counts.values()) == 340


def value(paper: str, table: str, system: str, metric: str, variant: str = "", test_set: str = "") -> float:
    [cell] = [
        c
        for c in cells()
        if (c.paper, c.table, c.system, c.metric) == (paper, table, system, metric)
        and (not variant or c.variant == variant)
        and (not test_set or c.test_set == test_set)
    ]
    return cell.value


@pytest.mark.parametrize(
    ("percent", "table", "worse", "better"),
    [
        (37.9, "I", ("MaskSR-S", "w=1"), ("MaskSR2-S", "Avg-feature")),
        (32.9, "I", ("MaskSR-L", "w=1"), ("MaskSR2-L", "Avg-feature")),
        (18.9, "III", ("MaskSR-S", "w=1"), ("MaskSR2-S", "Avg-feature")),
        (10.1, "V", ("MaskSR2-S", "L9-K500, span=1"), ("MaskSR2-S", "L9-K500, span=5")),
    ],
)
def test_cells_give_the_relative_word_error_reductions_of_the_text(
    percent: float, table: str, worse: tuple[str, str], better: tuple[str, str]
) -> None:
    before, after = (
        value("masksr2", table, system, "wer@conformer-xl", variant) for system, variant in (worse, better)
    )
    assert 100 * (before - after) / before == pytest.approx(percent, abs=0.05)


def test_tables_one_and_five_agree_on_their_common_rows() -> None:
    for system, variant_in_one, variant_in_five in [
        ("Unprocessed", "", ""), ("Target", "", ""), ("Target-DAC", "", ""),
        ("MaskSR2-S", "L9-K500", "L9-K500, span=1"), ("MaskSR2-S", "Avg-feature", "Avg-feature, span=1"),
    ]:  # fmt: skip
        rows = {
            table: [c.value for c in cells() if (c.table, c.system, c.variant) == (table, system, variant)]
            for table, variant in (("I", variant_in_one), ("V", variant_in_five))
        }
        assert rows["I"] == rows["V"]


def test_sise_has_the_highest_pmos_of_its_paper() -> None:
    for test_set in ("dns2021", "seedtts-en", "seedtts-zh"):
        scores = {c.system: c.value for c in cells() if c.metric == "pmos" and c.test_set == test_set}
        assert max(scores, key=lambda s: scores[s]) == "SISE"


def test_the_listening_test_has_confidence_intervals() -> None:
    assert [c.ci95 for c in cells() if c.metric == "mos"] == [0.07, 0.04, 0.09, 0.10, 0.06, 0.05]


def test_every_metric_of_a_table_is_described() -> None:
    for paper in papers().values():
        assert {m for table in paper.table for m in table.metrics} == set(paper.metric)
        assert all(metric.ours or metric.differs for metric in paper.metric.values())
