"""The part of the policy that needs no model: pure, ordered, the first rule that holds decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from floodgate.catalogue import PERSON_PATH, Automation, CatalogueIndex, UrgencyRule
from floodgate.events import Decision, Misuse, Priority

from firewall.domain.automation import mode_of
from firewall.domain.ruling import Ruling
from firewall.domain.situation import Click, Question, Situation
from firewall.domain.teams import team_of_path
from firewall.domain.text_rules import TextState

ESCALATED: Final = "escalated"
ESCALATED_URGENT: Final = "escalated_urgent"
_CERTAIN: Final = 1.0


def decide_without_model(situation: Situation, index: CatalogueIndex) -> Ruling | None:
    """The ruling where no model has to be asked; None where one has to."""
    if situation.human_joined:
        return Ruling(Decision.PASS, "A colleague has this conversation, so automation is silent until it closes.")
    if situation.rule_hits:
        return None
    if situation.click is not None:
        return _clicked(situation, situation.click, index)
    if situation.question is not None and not situation.signals:
        return answered(situation.question)
    if situation.text_state is not TextState.WORDS:
        return _unreadable(situation, index)
    return None


def decide_unscreened(situation: Situation, index: CatalogueIndex, cause: str) -> Ruling:
    """The ruling when no model could be asked in time: local rules, then a human.

    Args:
        situation: What is known without a model.
        index: The catalogue.
        cause: Ends the sentence "… because …".
    """
    settled = decide_without_model(situation, index)
    if settled is not None:
        return settled
    if situation.rule_hits:
        return urgent_by_rules(situation, index)
    return Ruling(
        Decision.ESCALATE,
        f"Not screened because {cause}, so a colleague takes it.",
        reason_code="not_screened",
        team=team_of_path(situation.chosen_path, index),
        template=ESCALATED,
        misuse=Misuse.UNKNOWN,
    )


def _clicked(situation: Situation, click: Click, index: CatalogueIndex) -> Ruling:
    if click.path == PERSON_PATH:
        return Ruling(
            Decision.ESCALATE,
            "The customer pressed the button for a person.",
            reason_code="asked_for_person",
            team=team_of_path(situation.chosen_path, index),
            template=ESCALATED,
            wants=click.wants,
            confidence=_CERTAIN,
        )
    category = index.category_for_path(click.path)
    mode = mode_of(category) if click.suggested and not situation.waiting_for_human else Automation.OFF
    workflow = category.workflow if category is not None and mode is not Automation.OFF else None
    found = Ruling(
        Decision.AUTOMATE if mode in {Automation.PROPOSE, Automation.ON} else Decision.PASS,
        f"The customer chose the path {click.path} by a button",
        category=category.id if category else None,
        team=team_of_path(click.path, index),
        suggested_path=click.path,
        matches_chosen_path=True,
        wants=click.wants,
        confidence=_CERTAIN,
    )
    if found.decision is Decision.AUTOMATE:
        return replace(found, workflow=workflow, explanation=f"{found.explanation}, and {workflow} can settle it.")
    return replace(found, workflow=workflow, explanation=f"{found.explanation}, so it goes to {found.team}.")


def answered(question: Question) -> Ruling:
    """The ruling on an answer to a workflow's open question."""
    return Ruling(
        Decision.AUTOMATE,
        f"It answers the question for {question.slot} of {question.workflow}, so it is not screened as a new wish.",
        workflow=question.workflow,
        category=question.category,
        confidence=_CERTAIN,
    )


def _unreadable(situation: Situation, index: CatalogueIndex) -> Ruling:
    if situation.question is not None:
        return answered(situation.question)
    what = "no text" if situation.text_state is TextState.EMPTY else "no words"
    more = f" but {situation.attachment_count} attachment(s)" if situation.attachment_count else ""
    team = team_of_path(situation.chosen_path, index)
    return Ruling(
        Decision.PASS,
        f"It has {what}{more}, so a colleague of {team} looks at it.",
        team=team,
    )


def urgent_by_rules(situation: Situation, index: CatalogueIndex) -> Ruling:
    """The ruling on a text in which the words of an urgency rule stand."""
    rules = [index.urgency_rules[hit.label] for hit in situation.rule_hits]
    titles = "; ".join(rule.title for rule in rules)
    ruling = urgent_ruling(rules, _CERTAIN, f"Urgent by rule: {titles}.")
    return replace(ruling, evidence=tuple(hit.words for hit in situation.rule_hits))


def urgent_ruling(rules: list[UrgencyRule], urgency: float, explanation: str) -> Ruling:
    """An emergency: to the first rule's team at once."""
    # Approved wording of its own (self-harm) wins over the general urgent reply when several rules hold.
    own = next((rule.reply for rule in rules if rule.reply not in {None, ESCALATED_URGENT}), None)
    return Ruling(
        Decision.ESCALATE,
        explanation,
        reason_code="urgent",
        priority=Priority.HIGH,
        team=rules[0].team,
        template=own or ESCALATED_URGENT,
        urgent=True,
        urgency=urgency,
        urgency_reasons=tuple(rule.id for rule in rules),
    )
