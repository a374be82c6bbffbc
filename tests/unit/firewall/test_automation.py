"""The mode of a category in the verdict, the operator's limits, and Floodgate that only looks on."""

from __future__ import annotations

import pytest
from firewall.domain.automation import within
from firewall.domain.ruling import Ruling
from firewall.domain.screen import Screen
from floodgate.catalogue import CatalogueIndex
from floodgate.events import Decision, SwitchMode
from floodgate.modes import EVERYTHING, Modes

from tests.unit.modes.changes import change


def limited(target: str, mode: SwitchMode) -> Modes:
    return Modes().after([change(target, mode)])


def test_a_limit_holds_for_the_next_message_without_a_new_catalogue(catalogue):
    held = [Modes()]
    screen = Screen(catalogue, "1", lambda: held[0])
    assert screen.index.categories["resend_tickets"].automation == "on"
    held[0] = limited("resend_tickets", SwitchMode.SHADOW)
    assert screen.index.categories["resend_tickets"].automation == "shadow"
    held[0] = limited("resend_tickets", SwitchMode.ON)
    assert screen.index.categories["resend_tickets"].automation == "on"


def test_the_verdict_names_the_mode_of_its_category(catalogue):
    index = CatalogueIndex(catalogue)
    assert within(Ruling(Decision.PASS, "x.", category="cancel_plan"), index, Modes()).mode == "propose"
    assert within(Ruling(Decision.PASS, "x.", category="order_status"), index, Modes()).mode == ""
    assert within(Ruling(Decision.PASS, "x."), index, Modes()).mode == ""


@pytest.mark.parametrize("decision", [Decision.REDIRECT, Decision.AUTOMATE, Decision.QUARANTINE])
def test_who_only_observes_says_nothing_and_gives_the_case_to_its_team(catalogue, decision):
    ruling = Ruling(
        decision, "It is so.", category="resend_tickets", reason_code="abuse", template="redirect", team="later"
    )
    held = within(ruling, CatalogueIndex(catalogue), limited(EVERYTHING, SwitchMode.OBSERVE))
    assert (held.decision, held.template, held.offered_paths, held.reason_code) == (Decision.PASS, None, (), None)
    assert held.observed == decision.value
    assert held.team == ("tickets" if decision is Decision.QUARANTINE else "later")


def test_an_emergency_reaches_colleagues_also_while_observing(catalogue):
    ruling = Ruling(
        Decision.ESCALATE, "Urgent.", reason_code="urgent", template="escalated_urgent", team="trust_safety"
    )
    held = within(ruling, CatalogueIndex(catalogue), limited(EVERYTHING, SwitchMode.OBSERVE))
    assert (held.decision, held.reason_code, held.team) == (Decision.ESCALATE, "urgent", "trust_safety")
    assert (held.template, held.observed) == (None, "escalate")


def test_observing_one_category_leaves_the_others_alone(catalogue):
    modes = limited("cancel_plan", SwitchMode.OBSERVE)
    ruling = Ruling(Decision.REDIRECT, "x.", category="resend_tickets", template="redirect")
    assert within(ruling, CatalogueIndex(catalogue), modes).decision is Decision.REDIRECT
