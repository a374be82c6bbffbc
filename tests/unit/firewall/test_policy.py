"""The policy as a table: what is known of a message, and what happens to it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from firewall.domain.assessment import Assessment
from firewall.domain.local_policy import decide_unscreened, decide_without_model
from firewall.domain.phrases import Hit
from firewall.domain.policy import decide
from firewall.domain.signals import Signal
from firewall.domain.situation import Click, Question, Situation
from firewall.domain.text_rules import TextState
from floodgate.catalogue import Automation, Catalogue, CatalogueIndex
from floodgate.events import Decision, Misuse, Priority

TAKEOVER = Hit("account_takeover", "someone hacked my account")
QUESTION = Question("resend_tickets", "order_number", "resend_tickets")


def situation(**changes: Any) -> Situation:
    return Situation(**{"chosen_path": "tickets/resend", **changes})


def assessment(**changes: Any) -> Assessment:
    values: dict[str, Any] = {
        "category": "resend_tickets",
        "belongs_to_chosen_path": True,
        "suggested_path": "tickets/resend",
        "misuse": Misuse.NONE,
        "urgency": 0.1,
        "urgency_reasons": (),
        "workflow": "resend_tickets",
        "confidence": 0.9,
        **changes,
    }
    return Assessment(**values)


@pytest.fixture
def index(catalogue) -> CatalogueIndex:
    return CatalogueIndex(catalogue)


# (name, situation, assessment, decision, reason, team)
WITH_MODEL = [
    ("right path with a workflow", {}, {}, "automate", None, "tickets"),
    ("no path chosen, with a workflow", {"chosen_path": "unknown"}, {}, "automate", None, "tickets"),
    ("an unknown path counts as none", {"chosen_path": "tickets/gone"}, {}, "automate", None, "tickets"),
    ("the model sees no workflow", {}, {"workflow": None}, "pass", None, "tickets"),
    ("not sure enough to automate", {}, {"confidence": 0.55}, "pass", None, "tickets"),
    ("right path without a workflow", {"chosen_path": "tickets/order_status"},
     {"category": "order_status", "workflow": None}, "pass", None, "tickets"),
    ("automation at propose only", {"chosen_path": "subscription/cancel"},
     {"category": "cancel_plan", "workflow": "cancel_plan"}, "automate", None, "billing"),
    ("never automate, right path", {"chosen_path": "account/security"},
     {"category": "account_security", "workflow": None}, "pass", None, "trust_safety"),
    ("never automate, wrong path, is not sent round", {},
     {"category": "account_security", "belongs_to_chosen_path": False}, "escalate", "never_automate", "trust_safety"),
    ("wrong path", {"chosen_path": "subscription/cancel"}, {"belongs_to_chosen_path": False},
     "redirect", None, "tickets"),
    ("wrong path a second time", {"chosen_path": "subscription/cancel", "redirect_count": 1},
     {"belongs_to_chosen_path": False}, "redirect", None, "tickets"),
    ("wrong path a third time", {"chosen_path": "subscription/cancel", "redirect_count": 2},
     {"belongs_to_chosen_path": False}, "escalate", "redirected_twice", "tickets"),
    ("wrong path, not sure enough for a redirect", {"chosen_path": "subscription/cancel"},
     {"belongs_to_chosen_path": False, "confidence": 0.5}, "pass", None, "tickets"),
    ("a category with a higher bar for redirects", {"chosen_path": "subscription/cancel"},
     {"category": "order_status", "belongs_to_chosen_path": False, "confidence": 0.8}, "pass", None, "tickets"),
    ("the model contradicts itself", {"chosen_path": "subscription/cancel"}, {}, "pass", None, "billing"),
    ("a generic path with a clear wish", {"chosen_path": "other"}, {}, "redirect", None, "tickets"),
    ("a generic path with an unclear wish", {"chosen_path": "other"}, {"confidence": 0.5}, "pass", None, "tickets"),
    ("a generic path with no category", {"chosen_path": "other"}, {"category": None}, "pass", None, "general"),
    ("low confidence", {}, {"confidence": 0.3}, "escalate", "low_confidence", "tickets"),
    ("a country with a higher bar", {"country": "NL"}, {"confidence": 0.65}, "escalate", "low_confidence", "tickets"),
    ("belongs nowhere and not to the chosen path", {}, {"category": None, "belongs_to_chosen_path": False},
     "escalate", "low_confidence", "general"),
    ("belongs to the chosen path though to no category", {}, {"category": None}, "pass", None, "tickets"),
    ("no path and no category", {"chosen_path": "unknown"}, {"category": None}, "pass", None, "general"),
    ("injection", {}, {"misuse": Misuse.INJECTION}, "quarantine", "injection", "later"),
    ("abuse", {}, {"misuse": Misuse.ABUSE}, "quarantine", "abuse", "later"),
    ("spam", {}, {"misuse": Misuse.SPAM}, "quarantine", "spam", "later"),
    ("urgent by the model", {}, {"urgency": 0.8, "urgency_reasons": ("account_takeover",)},
     "escalate", "urgent", "trust_safety"),
    ("urgent without a reason is not urgent", {}, {"urgency": 0.9}, "automate", None, "tickets"),
    ("a reason below the threshold is not urgent", {}, {"urgency": 0.5, "urgency_reasons": ("account_takeover",)},
     "automate", None, "tickets"),
    ("abuse with urgency goes to a human at once", {"rule_hits": (TAKEOVER,)}, {"misuse": Misuse.ABUSE},
     "escalate", "urgent", "trust_safety"),
    ("injection with urgency by the model", {},
     {"misuse": Misuse.INJECTION, "urgency": 0.9, "urgency_reasons": ("account_takeover",)},
     "escalate", "urgent", "trust_safety"),
    ("urgent beats the wrong path", {"rule_hits": (TAKEOVER,), "chosen_path": "other"}, {},
     "escalate", "urgent", "trust_safety"),
    ("urgent beats an open question", {"rule_hits": (TAKEOVER,), "question": QUESTION}, {},
     "escalate", "urgent", "trust_safety"),
    ("a sign of injection keeps automation off", {"signals": frozenset({Signal.INJECTION})}, {},
     "pass", None, "tickets"),
    ("hidden text keeps automation off", {"signals": frozenset({Signal.HIDDEN_TEXT})}, {}, "pass", None, "tickets"),
    ("an answer that only looked like an injection",
     {"signals": frozenset({Signal.INJECTION}), "question": QUESTION}, {"category": None, "confidence": 0.1},
     "automate", None, None),
    ("an answer that is an injection", {"signals": frozenset({Signal.INJECTION}), "question": QUESTION},
     {"misuse": Misuse.INJECTION}, "quarantine", "injection", "later"),
    ("asks for a person", {"asks_for_person": True}, {}, "escalate", "asked_for_person", "tickets"),
    ("asks for a person by a generic path", {"asks_for_person": True, "chosen_path": "other"}, {"confidence": 0.2},
     "escalate", "asked_for_person", "general"),
    ("asks for a person again", {"asks_for_person": True, "waiting_for_human": True}, {}, "pass", None, "tickets"),
    ("an emergency that asks for a person", {"asks_for_person": True, "rule_hits": (TAKEOVER,)}, {},
     "escalate", "urgent", "trust_safety"),
    ("handed over before: not automated", {"waiting_for_human": True}, {}, "pass", None, "tickets"),
    ("handed over before: not redirected", {"waiting_for_human": True, "chosen_path": "other"}, {},
     "pass", None, "tickets"),
    ("hardly belongs to the chosen path, whatever the model's yes", {"chosen_path": "subscription/cancel"},
     {"belongs_probability": 0.2}, "redirect", None, "tickets"),
    ("belongs to the chosen path, whatever the model's no", {},
     {"belongs_to_chosen_path": False, "belongs_probability": 0.8}, "automate", None, "tickets"),
    ("a category of the chosen path that hardly belongs there", {}, {"belongs_probability": 0.2},
     "pass", None, "tickets"),
    ("no category fits surely enough", {}, {"in_scope_probability": 0.2, "belongs_probability": 0.2},
     "escalate", "low_confidence", "general"),
    ("misuse that is hardly likely", {}, {"misuse": Misuse.INJECTION, "misuse_probability": 0.3},
     "automate", None, "tickets"),
    ("misuse that is likely", {}, {"misuse": Misuse.ABUSE, "misuse_probability": 0.8}, "quarantine", "abuse", "later"),
    ("misuse without a kind", {}, {"misuse_probability": 0.9}, "quarantine", "injection", "later"),
    ("urgent by the model beats abuse", {},
     {"misuse": Misuse.ABUSE, "misuse_probability": 1.0, "urgency": 0.9, "urgency_reasons": ("self_harm",)},
     "escalate", "urgent", "trust_safety"),
    ("urgent beats a third redirect", {"chosen_path": "other", "redirect_count": 2, "rule_hits": (TAKEOVER,)}, {},
     "escalate", "urgent", "trust_safety"),
    ("a third redirect by a generic path", {"chosen_path": "other", "redirect_count": 2}, {},
     "escalate", "redirected_twice", "tickets"),
    ("handed over before: still urgent", {"waiting_for_human": True, "rule_hits": (TAKEOVER,)}, {},
     "escalate", "urgent", "trust_safety"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "known", "said", "decision", "reason", "team"), WITH_MODEL, ids=lambda v: str(v)[:60])
def test_what_happens_to_an_assessed_message(index, name, known, said, decision, reason, team):
    ruling = decide(situation(**known), assessment(**said), index)
    assert (ruling.decision.value, ruling.reason_code, ruling.team) == (decision, reason, team), name
    assert ruling.explanation.endswith(".")
    assert (ruling.reason_code is None) == (ruling.decision in {Decision.PASS, Decision.REDIRECT, Decision.AUTOMATE})


WITHOUT_MODEL = [
    ("a human joined", {"human_joined": True, "rule_hits": (TAKEOVER,)}, "pass", None, None),
    ("an answer to an open question", {"question": QUESTION}, "automate", None, None),
    ("a screenshot as the answer", {"question": QUESTION, "text_state": TextState.EMPTY}, "automate", None, None),
    ("nothing written", {"text_state": TextState.EMPTY}, "pass", None, "tickets"),
    ("only emoji", {"text_state": TextState.NO_WORDS, "chosen_path": "other"}, "pass", None, "general"),
    ("the person button", {"click": Click("person")}, "escalate", "asked_for_person", "tickets"),
    ("the suggested button", {"click": Click("tickets/resend", suggested=True)}, "automate", None, "tickets"),
    ("another button than the suggested one", {"click": Click("tickets/resend")}, "pass", None, "tickets"),
    ("a button without a workflow", {"click": Click("tickets/order_status", suggested=True)}, "pass", None, "tickets"),
    ("a button after a hand-over", {"click": Click("tickets/resend", suggested=True), "waiting_for_human": True},
     "pass", None, "tickets"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "known", "decision", "reason", "team"), WITHOUT_MODEL, ids=lambda v: str(v)[:60])
def test_what_needs_no_model(index, name, known, decision, reason, team):
    ruling = decide_without_model(situation(**known), index)
    assert ruling is not None
    assert (ruling.decision.value, ruling.reason_code, ruling.team) == (decision, reason, team), name


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"rule_hits": (TAKEOVER,)},
        {"question": QUESTION, "signals": frozenset({Signal.ABUSE})},
        {"question": QUESTION, "rule_hits": (TAKEOVER,)},
    ],
)
def test_what_a_model_has_to_look_at(index, known):
    assert decide_without_model(situation(**known), index) is None


def test_without_a_model_in_time_a_human_takes_it(index):
    ruling = decide_unscreened(situation(), index, "no model answered in time")
    assert (ruling.decision, ruling.reason_code, ruling.team) == (Decision.ESCALATE, "not_screened", "tickets")
    assert ruling.misuse is Misuse.UNKNOWN


def test_without_a_model_an_emergency_is_still_one(index):
    ruling = decide_unscreened(situation(rule_hits=(TAKEOVER,)), index, "x")
    assert (ruling.urgent, ruling.priority, ruling.evidence) == (True, Priority.HIGH, (TAKEOVER.words,))


def test_without_a_model_a_human_who_joined_is_left_alone(index):
    assert decide_unscreened(situation(human_joined=True), index, "x").decision is Decision.PASS


def test_approved_wording_wins_over_the_general_urgent_reply(index):
    hits = (TAKEOVER, Hit("self_harm", "je ne veux plus être là"))
    ruling = decide(situation(rule_hits=hits), assessment(), index)
    assert ruling.template == "self_harm_support"
    assert ruling.urgency_reasons == ("account_takeover", "self_harm")


def test_a_redirect_always_offers_a_person_last(index):
    ruling = decide(situation(chosen_path="other"), assessment(), index)
    assert ruling.offered_paths == ("tickets/resend", "tickets/order_status", "person")


def test_a_redirect_never_offers_the_path_that_was_wrong(index):
    ruling = decide(situation(chosen_path="tickets/order_status"), assessment(belongs_to_chosen_path=False), index)
    assert ruling.offered_paths == ("tickets/resend", "person")


def test_a_bypass_is_a_label_of_its_own(index):
    assert decide(situation(chosen_path="other"), assessment(), index).misuse is Misuse.BYPASS
    twice = decide(situation(chosen_path="other", redirect_count=2), assessment(), index)
    assert (twice.misuse, twice.reason_code) == (Misuse.BYPASS, "redirected_twice")
    assert decide(situation(chosen_path="subscription/cancel"), assessment(), index).misuse is Misuse.NONE


@pytest.mark.parametrize(
    ("known", "said", "matches"),
    [
        ({}, {}, True),
        ({"chosen_path": "subscription/cancel"}, {"belongs_to_chosen_path": False}, False),
        ({"chosen_path": "subscription/cancel"}, {}, None),
        ({"chosen_path": "unknown"}, {}, None),
        ({"chosen_path": "other"}, {}, False),
        ({"chosen_path": "other"}, {"category": None}, None),
    ],
)
def test_whether_the_text_belongs_to_the_chosen_path(index, known, said, matches):
    assert decide(situation(**known), assessment(**said), index).matches_chosen_path is matches


@pytest.mark.parametrize(
    ("layers", "country", "stated", "matches"),
    [
        ({}, None, 0.45, False),
        ({}, None, 0.5, True),
        ({"category_thresholds": {"resend_tickets": {"belongs": 0.3}}}, None, 0.45, True),
        ({"category_thresholds": {"order_status": {"belongs": 0.3}}}, None, 0.45, False),
        ({"country_thresholds": {"NL": {"belongs": 0.3}}}, "NL", 0.45, True),
        ({"country_thresholds": {"NL": {"belongs": 0.3}}}, "GB", 0.45, False),
        (
            {
                "country_thresholds": {"NL": {"belongs": 0.3}},
                "category_thresholds": {"resend_tickets": {"belongs": 0.6}},
            },
            "NL", 0.55, False,
        ),
    ],
)  # fmt: skip
def test_the_chosen_paths_category_and_the_country_say_from_where_on_a_text_belongs(
    catalogue, layers, country, stated, matches
):
    index = CatalogueIndex(Catalogue.model_validate(catalogue.model_dump() | layers))
    said = assessment(belongs_probability=stated, in_scope_probability=0.9)
    assert decide(situation(country=country), said, index).matches_chosen_path is matches


@pytest.mark.parametrize("misuse", [Misuse.INJECTION, Misuse.ABUSE, Misuse.SPAM])
def test_what_is_set_aside_gets_a_polite_answer_and_a_person_at_low_priority(index, misuse):
    ruling = decide(situation(), assessment(misuse=misuse, misuse_probability=0.9), index)
    assert (ruling.decision, ruling.priority, ruling.template) == (
        Decision.QUARANTINE,
        Priority.LOW,
        "quarantine_polite",
    )


def test_every_explanation_is_one_sentence(index):
    for _, known, said, *_ in WITH_MODEL:
        text = decide(situation(**known), assessment(**said), index).explanation
        assert text.endswith(".")
        assert ". " not in text
        assert "\n" not in text


@pytest.mark.parametrize(
    ("automation", "decision", "workflow"),
    [
        (Automation.OFF, Decision.PASS, None),
        (Automation.SHADOW, Decision.PASS, "resend_tickets"),
        (Automation.PROPOSE, Decision.AUTOMATE, "resend_tickets"),
        (Automation.ON, Decision.AUTOMATE, "resend_tickets"),
    ],
)
def test_how_far_a_category_is_automated(catalogue, automation, decision, workflow):
    changed = tuple(
        c.model_copy(update={"automation": automation}) if c.id == "resend_tickets" else c for c in catalogue.categories
    )
    index = CatalogueIndex(catalogue.model_copy(update={"categories": changed}))
    ruling = decide(situation(), assessment(), index)
    assert (ruling.decision, ruling.workflow) == (decision, workflow)


def test_in_shadow_a_workflow_is_named_only_where_it_would_have_run(catalogue):
    changed = tuple(
        c.model_copy(update={"automation": "shadow"}) if c.id == "resend_tickets" else c for c in catalogue.categories
    )
    index = CatalogueIndex(catalogue.model_copy(update={"categories": changed}))
    unsure = decide(situation(), assessment(confidence=0.55), index)
    assert (unsure.decision, unsure.workflow) == (Decision.PASS, None)


def test_never_automate_wins_over_automation_that_is_on(catalogue):
    changed = tuple(
        c.model_copy(update={"never_automate": True}) if c.id == "resend_tickets" else c for c in catalogue.categories
    )
    index = CatalogueIndex(catalogue.model_copy(update={"categories": changed}))
    assert decide(situation(), assessment(), index).decision is Decision.PASS


def test_every_ruling_over_every_situation_is_well_formed(index):
    """All combinations of the facts that matter: nothing raises, nothing automates against a rule."""
    for path, hits, signals, count, waiting, question, category, belongs, misuse, confidence in product(
        ("tickets/resend", "subscription/cancel", "other", "unknown"), ((), (TAKEOVER,)),
        (frozenset(), frozenset({Signal.INJECTION})), (0, 2), (False, True), (None, QUESTION),
        (None, "resend_tickets", "account_security", "cancel_plan"), (False, True),
        (Misuse.NONE, Misuse.INJECTION, Misuse.ABUSE), (0.1, 0.55, 0.95),
    ):  # fmt: skip
        known = situation(
            chosen_path=path, rule_hits=hits, signals=signals, redirect_count=count, waiting_for_human=waiting,
            question=question,
        )  # fmt: skip
        said = assessment(
            category=category, belongs_to_chosen_path=belongs, misuse=misuse, confidence=confidence,
            workflow=category, suggested_path=None,
        )  # fmt: skip
        ruling = decide(known, said, index)
        if hits:
            assert ruling.urgent
            assert ruling.priority is Priority.HIGH
        elif misuse is not Misuse.NONE:
            assert ruling.decision is Decision.QUARANTINE
        if ruling.decision is Decision.AUTOMATE and question is None:
            assert index.categories[category].automation in {Automation.PROPOSE, Automation.ON}
            assert not waiting
            assert not signals
            assert confidence > 0.6
        if ruling.decision is Decision.REDIRECT:
            assert count < 2
            assert ruling.offered_paths[-1] == "person"
        assert ruling == replace(ruling)
