"""The ledger holds every published cell, and the claims of a paper are checked on the paper's own numbers."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.analysis.paired_tests import Sample
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.suite import load_suite
from restorebench.benchmark.types import Cell
from restorebench.reports.papers.claims import Measured, checks_of, claims_table, exceeds, ours, said
from restorebench.reports.papers.ledger import ledger
from restorebench.reports.papers.published import cells, papers
from tests.conftest import Cli


def test_every_published_cell_is_listed_with_what_its_measurement_lacks(cli: Cli, tmp_path: Path) -> None:
    done = cli("ledger", "--format", "csv", env={"RESTOREBENCH_DATA": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    rows, claims = (list(csv.DictReader(io.StringIO(part))) for part in split(done.stdout))
    assert len(rows) == len(cells()) == 340
    assert {row["status"] for row in rows} == {"not measured"}
    assert all(row["missing"] for row in rows)

    def missing(table: str, system: str, value: str) -> str:
        [row] = [r for r in rows if (r["table"], r["system"], r["value"]) == (table, system, value)]
        return str(row["missing"])

    fetch_corpora = "corpora: restorebench data fetch vctk voicebank-demand"
    assert missing("I", "Unprocessed", "dnsmos.ovl") == fetch_corpora
    assert missing("I", "MaskSR-S, w=1", "lsd") == (
        f"{fetch_corpora}; MaskSR-S: no public weights exist; name a checkpoint: masksr-s@FILE"
    )
    assert "can only be imported" in missing("I", "Target", "sesqa")
    assert missing("II", "MaskSR-L", "mos") == "a listening test cannot be computed"
    frcrn = missing("III", "FRCRN", "dnsmos.sig")
    assert frcrn.startswith(f"{fetch_corpora.partition(' fetch ')[0]} fetch librispeech-test-clean dns-noise; FRCRN: ")
    assert frcrn.endswith("data fetch frcrn, or its outputs on this set, as published:FRCRN@DIR")
    assert "nemo-conformer-transducer-xlarge" in missing("III", "Target", "wer@conformer-xl")
    assert len(claims) == sum(len(paper.claim) for paper in papers().values())


def split(text: str) -> tuple[str, str]:
    """The two tables of the command's CSV output."""
    first, _, second = text.partition("\ntable,paper,table,claim")
    return first, f"table,paper,table,claim{second}"


def test_claims_on_the_printed_cells() -> None:
    """The percentages are right, SISE's BAK on DNS 2021 is a tie, and a gain of 0.3 PMOS is not always exceeded."""
    table = claims_table([])
    verdicts = {row[2][:40]: row[3] for row in table.rows}

    assert verdicts["The resulting MaskSR2-S reduces the WER "] == "holds"
    assert verdicts["MaskSR2-L further achieves 32.9 % WER re"] == "holds"
    assert verdicts["MaskSR2-S obtains a lower WER by 18.9% r"] == "holds"
    assert verdicts["For the L9-K500 setting, span masking wi"] == "holds"
    assert verdicts["The proposed SISE framework achieves the"] == "holds in 44 of 45"
    assert verdicts["codec + diffusion-based methods [...] ou"] == "holds in 9 of 12"
    assert verdicts["on both the LibriSpeech and the DNS test"] == "holds in 33 of 36", "every system of both tables"
    assert verdicts["Target-DAC is an upper bound for MaskSR "] == "holds in 48 of 63"
    columns = {note.split(", ")[-2] for note in table.notes if "printed cells: Target-DAC" in note}
    assert columns == {"dnsmos.sig", "dnsmos.bak", "dnsmos.ovl", "sesqa"}, "4 of 7 columns"
    assert verdicts["MaskSR2 reduces the WER between 19% and "] == "holds"
    assert verdicts["We do not observe consistent WER reducti"] == "holds (of 3 comparisons 0 are met)"
    assert verdicts["DFNet3, VoiceFixer, and MaskSR-S (withou"] == "holds"
    assert verdicts["enhanced prompts from all algorithms do "] == "holds"
    assert any(note.endswith("nearly: within 0.1 MOS, about the two half widths together") for note in table.notes)
    failing = [note for note in table.notes if "SISE" in note]
    assert "fails on the printed cells: SISE against MOSS-FORMER, dnsmos.bak, dns2021" in failing
    assert "fails on the printed cells: SISE against MOSS-FORMER, pmos, seedtts-en" in failing
    assert {row[4] for row in table.rows} == {"not measured"}


def test_every_claim_names_cells_that_are_printed() -> None:
    for paper in papers().values():
        for claim in paper.claim:
            checks = checks_of(paper, claim)
            assert len(checks) >= len(claim.better) * len(claim.than) * len(claim.metric), claim.quote
    assert [said(r) for r in ([True], [True, False], [False])] == ["holds", "holds in 1 of 2", "does not hold"]


def board_of(plan: Plan, measured: dict[str, float]) -> Board:
    measured_cells = [
        Cell(plan.suite.name, "recorded", system, "dnsmos.ovl", "s", value, value - 0.001, value + 0.001, 150, 150)
        for system, value in measured.items()
    ]
    return Board(plan, tuple(measured_cells), plan.metric_cards, {}, {})


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan of Table IV's suite; its 150 trials are copies of a trial of the demo, since nothing is measured here."""
    demo = make_plan(load_suite("demo"), ["unprocessed"], ["dnsmos"])
    trial = replace(demo.trials[0], condition="recorded")
    return replace(demo, suite=load_suite("masksr2-table4-no-reverb"), trials=(trial,) * 150)


def test_measured_cells_have_a_verdict(plan: Plan) -> None:
    measured = {"unprocessed": 2.483, "published:DEMUCS": 3.36, "published:FRCRN": 3.5}
    cells_table, claims = ledger([board_of(plan, measured)])
    rows = {row[3]: row for row in cells_table.rows if (row[2], row[4]) == ("dns2020-no-reverb", "dnsmos.ovl")}
    assert rows["Unprocessed"][6:] == ("2.483", "reproduced", "")
    assert rows["DEMUCS"][7] == "close"
    assert rows["FRCRN"][7] == "differs"
    assert rows["MaskSR2-L, Avg-feature"][7] == "not measured"
    assert {row[4] for row in claims.rows} == {"not measured"}


def test_the_verdict_with_most_clips_counts_and_among_equals_the_worst(plan: Plan) -> None:
    far, near = board_of(plan, {"unprocessed": 2.9}), board_of(plan, {"unprocessed": 2.483})
    few = replace(near, cells=tuple(replace(cell, n=3, planned=150) for cell in near.cells))
    for boards in ([far, near], [near, far], [few, far], [far, few]):
        [row] = [r for r in ledger(boards)[0].rows if (r[2], r[3], r[4]) == (
            "dns2020-no-reverb", "Unprocessed", "dnsmos.ovl")]  # fmt: skip
        assert row[7] == "differs"


def paired_board(plan: Plan, gap: float, noise: float = 0.05) -> Board:
    """Scores of our own checkpoint and of DEMUCS's published outputs on 150 clips; the cells are the means."""
    rng = np.random.default_rng(0)
    systems = ("masksr2-l@a.ckpt", "published:DEMUCS")
    base = rng.normal(3.3, 0.1, 150)
    quality = np.stack([base + gap + rng.normal(0, noise, 150), base])
    value = plan.metric_cards["dnsmos"].values[2]
    assert value.name == "dnsmos.ovl"
    clips = tuple(map(str, range(150)))
    paired = PairedScores("recorded", value, systems, clips, Sample(quality, np.ones((2, 150)), np.arange(150)), "clip")
    return replace(board_of(plan, dict(zip(systems, map(float, quality.mean(1)), strict=True))), scores=(paired,))


def test_claims_on_measured_cells_state_their_significance(plan: Plan) -> None:
    def superior(boards: list[Board]) -> str:
        [row] = [row for row in ledger(boards)[1].rows if "superior quality" in row[2]]
        return row[4]

    assert superior([paired_board(plan, 0.1)]) == "holds (1 significant, 35 not measured)"
    assert superior([paired_board(plan, 0.0001, noise=0.5)]) == "does not hold (0 significant, 35 not measured)"
    notes = ledger([paired_board(plan, 0.1)])[1].notes
    assert "ours, other checkpoint: the authors published none" in notes


def test_numbers_of_two_boards_are_never_compared(plan: Plan) -> None:
    """Two boards may have different clips or different scorers."""
    whole = paired_board(plan, 0.1)
    halves = [replace(whole, cells=(cell,)) for cell in whole.cells]
    assert {row[4] for row in ledger(halves)[1].rows} == {"not measured"}


def test_a_relative_change_is_shown_beside_that_of_the_paper() -> None:
    [claim] = [c for c in papers()["masksr2"].claim if c.percent == 37.9]
    small = Measured(better=4.749, than=4.75, gain=0.001, sure=False, clips=12, reasons=())
    assert ours(claim, [small]) == "0.0 % (paper: 37.9 %; not significant)"
    assert ours(claim, [replace(small, better=3.0, gain=1.75, sure=True)]) == "36.8 % (paper: 37.9 %; significant)"


def test_a_gain_equal_to_the_margin_does_not_exceed_it() -> None:
    """3.71 - 3.41 is 0.2999... in binary, 3.4 - 3.1 is 0.3000...: both are 0.3 as printed."""
    assert not exceeds(3.71 - 3.41, 0.3)
    assert not exceeds(3.4 - 3.1, 0.3)
    assert exceeds(3.72 - 3.41, 0.3)
