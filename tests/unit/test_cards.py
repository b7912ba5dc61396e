"""Cards of all registered systems and metrics contain the facts that a reader looks for."""

from __future__ import annotations

import pytest

from restorebench.benchmark import registry
from restorebench.benchmark.components import metric_card
from restorebench.benchmark.contracts import SystemCard
from restorebench.reports.tables import cards
from tests.conftest import Cli

SYSTEMS = [name for name in registry.targets_by_name("systems") if ":" not in name]


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_has_a_card_without_an_empty_fact(name: str) -> None:
    card = registry.card("systems", name)
    assert isinstance(card, SystemCard)
    table = cards.system_card(card)
    assert all(len(row) == 2 and all(row) for row in table.rows)
    facts = dict(table.rows)
    assert card.licence in facts["licence of the code"]
    assert all(weight in facts["weights"] for weight in card.weights)


@pytest.mark.parametrize("name", list(registry.targets_by_name("metrics")))
def test_every_metric_has_a_card_that_names_its_values(name: str) -> None:
    card = metric_card(name)
    facts = dict(cards.metric_card(card).rows)
    assert facts["definition"] == card.definition
    for value in card.values:
        assert f"{value.direction} is better" in facts[f"value {value.name}"]


def test_a_nano_card_says_what_it_was_trained_on_and_what_it_is_not(cli: Cli) -> None:
    pytest.importorskip("torch")
    shown = cli("card", "masksr2-nano", "--format", "json").stdout
    for words in ("not the paper's model", "3,747,538", "4.1 h, 30 speakers, CC BY 4.0", "kathleen", "4,033"):
        assert words in shown


def test_failures_of_a_run_are_shown_on_the_card() -> None:
    card = registry.card("systems", "spectral-gate")
    assert isinstance(card, SystemCard)
    assert dict(cards.system_card(card, ["broke: 2 clips"]).rows)["known failures"] == "broke: 2 clips"


def test_markdown_is_printed_and_an_unknown_name_is_refused(cli: Cli) -> None:
    assert cli("card", "lsd", "--format", "md").stdout.startswith("### lsd\n")
    wrong = cli("card", "lds")
    assert (wrong.returncode, len(wrong.stderr.strip().splitlines())) == (2, 1)
    assert "no system or metric named 'lds'; did you mean lsd?" in wrong.stderr


def test_the_name_of_a_value_shows_its_metric_and_a_wrong_argument_is_refused(cli: Cli) -> None:
    assert cli("card", "dnsmos.ovl", "--format", "md").stdout.startswith("### dnsmos\n")
    for name in ("gtcrn:foo", "masksr@/no/such/file"):
        wrong = cli("card", name)
        assert (wrong.returncode, len(wrong.stderr.strip().splitlines())) == (2, 1), name
    assert "cannot be used here: no public weights exist" in cli("card", "masksr2-s").stdout


def test_weights_of_another_version_are_named() -> None:
    card = metric_card("dnsmos").model_copy(update={"weights": ("old-name",)})
    assert "old-name (not in this version's catalogue)" in dict(cards.metric_card(card).rows)["weights"]
