"""The policy: what happens to a message. Pure, and ordered: the first rule that holds decides.

Two entries: `decide_without_model` for what needs no assessment, `decide` for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from floodgate.catalogue import PERSON_PATH, Automation, CatalogueIndex, Category, Thresholds, UrgencyRule
from floodgate.events import Decision, Misuse, Priority

from firewall.domain.assessment import Assessment
from firewall.domain.ruling import Ruling
from firewall.domain.signals import Signal
from firewall.domain.situation import Click, Question, Situation
from firewall.domain.teams import default_team, low_priority_team, team_of_path
from firewall.domain.text_rules import TextState

MAX_NEIGHBOUR_BUTTONS: Final = 2
_ESCALATED: Final = "escalated"
_ESCALATED_URGENT: Final = "escalated_urgent"
_QUARANTINE: Final = "quarantine_polite"
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
        return _answered(situation.question)
    if situation.text_state is not TextState.WORDS:
        return _unreadable(situation, index)
    return None


def decide(situation: Situation, assessment: Assessment, index: CatalogueIndex) -> Ruling:
    """The ruling over an assessed message."""
    case = _Case(situation, assessment, index)
    ruling = (
        _urgent(case)
        or _misuse(case)
        or _answer_after_all(case)
        or _already_handed_over(case)
        or _contradicted(case)
        or _sensitive_elsewhere(case)
        or _unsure(case)
        or _wrong_path(case)
        or _automated(case)
        or _passed(case)
    )
    return replace(
        ruling,
        misuse=ruling.misuse if ruling.misuse is not Misuse.NONE else assessment.misuse,
        category=ruling.category or assessment.category,
        suggested_path=ruling.suggested_path or assessment.suggested_path,
        matches_chosen_path=case.matches,
        urgency=max(ruling.urgency, assessment.urgency),
        confidence=assessment.confidence,
        wants=assessment.wants,
        evidence=ruling.evidence or assessment.evidence,
    )


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
        return _urgent_by_rules(situation, index)
    return Ruling(
        Decision.ESCALATE,
        f"Not screened because {cause}, so a colleague takes it.",
        reason_code="not_screened",
        team=team_of_path(situation.chosen_path, index),
        template=_ESCALATED,
        misuse=Misuse.UNKNOWN,
    )


@dataclass(frozen=True, slots=True)
class _Case:
    """A message with its assessment, and what follows from both at once."""

    situation: Situation
    assessment: Assessment
    index: CatalogueIndex

    @property
    def category(self) -> Category | None:
        return self.index.categories.get(self.assessment.category or "")

    @property
    def thresholds(self) -> Thresholds:
        return self.index.thresholds_for(self.assessment.category, self.situation.country)

    @property
    def path_is_specific(self) -> bool:
        path = self.index.paths.get(self.situation.chosen_path)
        return path is not None and not path.generic

    @property
    def path_is_generic(self) -> bool:
        return self.index.is_generic(self.situation.chosen_path)

    @property
    def matches(self) -> bool | None:
        """Whether the text belongs to the chosen path; None when there was none or nothing can be said."""
        if not self.path_is_specific:
            return None if self.category is None or not self.path_is_generic else False
        if self.category is None:
            return self.assessment.belongs_to_chosen_path or None
        return None if self.contradicts else self.index.belongs(self.category.id, self.situation.chosen_path)

    @property
    def contradicts(self) -> bool:
        """The model names a category of another path and yet says that the chosen path is right."""
        if not self.path_is_specific or self.category is None or not self.assessment.belongs_to_chosen_path:
            return False
        return not self.index.belongs(self.category.id, self.situation.chosen_path)

    @property
    def team(self) -> str | None:
        """The team of the category, else of the chosen path, else the general one."""
        return self.category.team if self.category else team_of_path(self.situation.chosen_path, self.index)

    def title(self) -> str:
        return self.index.title(self.category.id, "en") if self.category else "no category"

    def sure(self) -> str:
        return f"confidence {self.assessment.confidence:.2f}"


# Without a model


def _clicked(situation: Situation, click: Click, index: CatalogueIndex) -> Ruling:
    if click.path == PERSON_PATH:
        return Ruling(
            Decision.ESCALATE,
            "The customer pressed the button for a person.",
            reason_code="asked_for_person",
            team=team_of_path(situation.chosen_path, index),
            template=_ESCALATED,
            wants=click.wants,
            confidence=_CERTAIN,
        )
    category = index.category_for_path(click.path)
    workflow = index.workflow_for(category.id) if category is not None and click.suggested else None
    found = Ruling(
        Decision.AUTOMATE if workflow and not situation.waiting_for_human else Decision.PASS,
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
    return replace(found, explanation=f"{found.explanation}, so it goes to {found.team}.")


def _answered(question: Question) -> Ruling:
    return Ruling(
        Decision.AUTOMATE,
        f"It answers the question for {question.slot} of {question.workflow}, so it is not screened as a new wish.",
        workflow=question.workflow,
        category=question.category,
        confidence=_CERTAIN,
    )


def _unreadable(situation: Situation, index: CatalogueIndex) -> Ruling:
    if situation.question is not None:
        return _answered(situation.question)
    what = "no text" if situation.text_state is TextState.EMPTY else "no words"
    more = f" but {situation.attachment_count} attachment(s)" if situation.attachment_count else ""
    team = team_of_path(situation.chosen_path, index)
    return Ruling(
        Decision.PASS,
        f"It has {what}{more}, so a colleague of {team} looks at it.",
        team=team,
    )


# With a model


def _urgent(case: _Case) -> Ruling | None:
    if case.situation.rule_hits:
        return _urgent_by_rules(case.situation, case.index)
    assessment = case.assessment
    if not assessment.urgency_reasons or assessment.urgency < case.thresholds.urgent:
        return None
    rules = [case.index.urgency_rules[reason] for reason in assessment.urgency_reasons]
    titles = "; ".join(rule.title for rule in rules)
    return _urgent_ruling(rules, assessment.urgency, f"Urgent by the model ({assessment.urgency:.2f}): {titles}.")


def _urgent_by_rules(situation: Situation, index: CatalogueIndex) -> Ruling:
    rules = [index.urgency_rules[hit.label] for hit in situation.rule_hits]
    titles = "; ".join(rule.title for rule in rules)
    ruling = _urgent_ruling(rules, _CERTAIN, f"Urgent by rule: {titles}.")
    return replace(ruling, evidence=tuple(hit.words for hit in situation.rule_hits))


def _urgent_ruling(rules: list[UrgencyRule], urgency: float, explanation: str) -> Ruling:
    # Approved wording of its own (self-harm) wins over the general urgent reply when several rules hold.
    own = next((rule.reply for rule in rules if rule.reply not in {None, _ESCALATED_URGENT}), None)
    return Ruling(
        Decision.ESCALATE,
        explanation,
        reason_code="urgent",
        priority=Priority.HIGH,
        team=rules[0].team,
        template=own or _ESCALATED_URGENT,
        urgent=True,
        urgency=urgency,
        urgency_reasons=tuple(rule.id for rule in rules),
    )


def _misuse(case: _Case) -> Ruling | None:
    misuse = case.assessment.misuse
    if misuse not in {Misuse.INJECTION, Misuse.ABUSE, Misuse.SPAM}:
        return None
    what = {
        Misuse.INJECTION: "It tries to give orders to the system",
        Misuse.ABUSE: "It is abusive",
        Misuse.SPAM: "It is spam",
    }[misuse]
    return Ruling(
        Decision.QUARANTINE,
        f"{what}, so it waits in the low-priority queue with a polite answer.",
        reason_code=misuse.value,
        priority=Priority.LOW,
        team=low_priority_team(case.index),
        template=_QUARANTINE,
    )


def _answer_after_all(case: _Case) -> Ruling | None:
    question = case.situation.question
    return _answered(question) if question is not None else None


def _already_handed_over(case: _Case) -> Ruling | None:
    if not case.situation.waiting_for_human:
        return None
    return Ruling(
        Decision.PASS,
        f"It was handed over before and a colleague is to come, so it is neither redirected nor automated "
        f"and goes to {case.team}.",
        team=case.team,
    )


def _contradicted(case: _Case) -> Ruling | None:
    if not case.contradicts:
        return None
    team = team_of_path(case.situation.chosen_path, case.index)
    return Ruling(
        Decision.PASS,
        f"The assessment names “{case.title()}” and yet says that the chosen path is right, so it goes to {team}.",
        team=team,
    )


def _sensitive_elsewhere(case: _Case) -> Ruling | None:
    """Categories that only people handle are never sent round by buttons."""
    category = case.category
    if category is None or not category.never_automate or case.matches is not False:
        return None
    if case.assessment.confidence < case.thresholds.min_confidence:
        return None
    return Ruling(
        Decision.ESCALATE,
        f"It is about “{case.title()}” ({case.sure()}), which people handle, whatever path was chosen.",
        reason_code="never_automate",
        team=category.team,
        template=_ESCALATED,
        misuse=_bypass(case),
    )


def _unsure(case: _Case) -> Ruling | None:
    low = case.assessment.confidence < case.thresholds.min_confidence
    belongs_nowhere = case.category is None and case.path_is_specific and not case.assessment.belongs_to_chosen_path
    if not low and not belongs_nowhere:
        return None
    why = f"Too unsure ({case.sure()})" if low else "It fits no category and not the chosen path"
    team = team_of_path(case.situation.chosen_path, case.index) if low else default_team(case.index)
    return Ruling(
        Decision.ESCALATE,
        f"{why}, so a colleague takes it.",
        reason_code="low_confidence",
        team=team,
        template=_ESCALATED,
    )


def _wrong_path(case: _Case) -> Ruling | None:
    category = case.category
    if category is None or case.matches is not False:
        return None
    if case.assessment.confidence < case.thresholds.redirect_confidence:
        return None
    about = f"It is about “{case.title()}” ({case.sure()}) but came by {case.situation.chosen_path}"
    if case.situation.redirect_count >= case.index.catalogue.max_redirects:
        times = case.situation.redirect_count
        return Ruling(
            Decision.ESCALATE,
            f"{about} and was redirected {times} times, so a colleague takes it.",
            reason_code="redirected_twice",
            team=category.team,
            template=_ESCALATED,
            misuse=_bypass(case),
        )
    return Ruling(
        Decision.REDIRECT,
        f"{about}, so the customer is offered {category.path} or a person.",
        template="redirect",
        team=category.team,
        offered_paths=_offered(category, case),
        misuse=_bypass(case),
    )


def _bypass(case: _Case) -> Misuse:
    return Misuse.BYPASS if case.path_is_generic else Misuse.NONE


def _offered(category: Category, case: _Case) -> tuple[str, ...]:
    neighbours = [case.index.categories[c].path for c in category.confusable_with if c in case.index.categories]
    others = [path for path in dict.fromkeys(neighbours) if path not in {category.path, case.situation.chosen_path}]
    return (category.path, *others[:MAX_NEIGHBOUR_BUTTONS], PERSON_PATH)


def _automated(case: _Case) -> Ruling | None:
    category = case.category
    if category is None or case.matches is False or case.situation.signals & {Signal.INJECTION, Signal.HIDDEN_TEXT}:
        return None
    workflow = case.index.workflow_for(category.id)
    if workflow is None or case.assessment.workflow != workflow:
        return None
    if case.assessment.confidence < case.thresholds.automate_confidence:
        return None
    return Ruling(
        Decision.AUTOMATE,
        f"It is about “{case.title()}” ({case.sure()}), and {workflow} can settle it.",
        workflow=workflow,
        team=category.team,
    )


def _passed(case: _Case) -> Ruling:
    team = case.team
    if case.category is None:
        return Ruling(Decision.PASS, f"It fits no category ({case.sure()}), so it goes to {team}.", team=team)
    if case.matches:
        where = "as the chosen path says"
    elif case.matches is None:
        where = "and no path was chosen"
    else:
        where = "not surely enough for a redirect"
    candidate = _candidate(case.category)
    return Ruling(
        Decision.PASS,
        f"It is about “{case.title()}” ({case.sure()}), {where}, so it goes to {team}.",
        team=team,
        workflow=candidate,
    )


def _candidate(category: Category) -> str | None:
    """A workflow that is not acted on but computed (shadow) or to be approved (propose)."""
    computed = category.automation in {Automation.SHADOW, Automation.PROPOSE} and not category.never_automate
    return category.workflow if computed else None
