"""The policy for assessed messages: pure, ordered, the first rule that holds decides.

What needs no assessment is decided in `local_policy`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from floodgate.catalogue import PERSON_PATH, Automation, CatalogueIndex, Category, Thresholds
from floodgate.events import Decision, Misuse, Priority

from firewall.domain.assessment import Assessment
from firewall.domain.automation import mode_of
from firewall.domain.local_policy import ESCALATED, answered, urgent_by_rules, urgent_ruling
from firewall.domain.ruling import Ruling
from firewall.domain.signals import Signal
from firewall.domain.situation import Situation
from firewall.domain.teams import default_team, low_priority_team, team_of_path

MAX_NEIGHBOUR_BUTTONS: Final = 2
_QUARANTINE: Final = "quarantine_polite"


def decide(situation: Situation, assessment: Assessment, index: CatalogueIndex) -> Ruling:
    """The ruling over an assessed message."""
    case = _Case(situation, assessment, index)
    ruling = (
        _urgent(case)
        or _misuse(case)
        or _answer_after_all(case)
        or _already_handed_over(case)
        or _asks_for_person(case)
        or _contradicted(case)
        or _sensitive_elsewhere(case)
        or _unsure(case)
        or _wrong_path(case)
        or _automated(case)
        or _passed(case)
    )
    return replace(
        ruling,
        misuse=ruling.misuse if ruling.misuse is not Misuse.NONE else case.misuse,
        category=ruling.category or (case.category.id if case.category else None),
        suggested_path=ruling.suggested_path or assessment.suggested_path,
        matches_chosen_path=case.matches,
        urgency=max(ruling.urgency, assessment.urgency),
        confidence=assessment.confidence,
        wants=assessment.wants,
        evidence=ruling.evidence or assessment.evidence,
    )


@dataclass(frozen=True, slots=True)
class _Case:
    """A message with its assessment, and what follows from both at once."""

    situation: Situation
    assessment: Assessment
    index: CatalogueIndex

    @property
    def category(self) -> Category | None:
        """The assessed category; None where it is too unlikely that any fits."""
        fits = self.assessment.in_scope_probability
        if fits is not None and fits < self.thresholds.in_scope:
            return None
        return self.index.categories.get(self.assessment.category or "")

    @property
    def thresholds(self) -> Thresholds:
        return self.index.thresholds_for(self.assessment.category, self.situation.country, self.situation.language)

    @property
    def belongs(self) -> bool:
        """Whether the text belongs to the chosen path by its own threshold, or by the model's yes or no."""
        stated = self.assessment.belongs_probability
        if stated is None:
            return self.assessment.belongs_to_chosen_path
        chosen = self.index.category_for_path(self.situation.chosen_path)
        # The chosen path is what is in question, so that its category's threshold holds and not the assessed one's.
        own = self.index.thresholds_for(chosen.id if chosen else None, self.situation.country, self.situation.language)
        return stated >= own.belongs

    @property
    def misuse(self) -> Misuse:
        """The kind of misuse; one that the model states without its kind is a possible injection."""
        stated, kind = self.assessment.misuse_probability, self.assessment.misuse
        if stated is None:
            return kind
        if stated < self.thresholds.misuse:
            return Misuse.NONE
        return Misuse.INJECTION if kind is Misuse.NONE else kind

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
        return None if self.contradicts else self.belongs

    @property
    def contradicts(self) -> bool:
        """The model names a category of another path and yet says that the chosen path is right."""
        return self.path_is_specific and self.category is not None and self.belongs and not self.is_on_path

    @property
    def is_on_path(self) -> bool:
        """Whether the category is one of the chosen path's own."""
        return self.category is not None and self.index.belongs(self.category.id, self.situation.chosen_path)

    @property
    def team(self) -> str | None:
        """The team of the category, else of the chosen path, else the general one."""
        return self.category.team if self.category else self.team_of_choice

    @property
    def team_of_choice(self) -> str | None:
        """The team of the chosen path, whatever the assessment says."""
        return team_of_path(self.situation.chosen_path, self.index)

    def title(self) -> str:
        return self.index.title(self.category.id, "en") if self.category else "no category"

    def sure(self) -> str:
        return f"confidence {self.assessment.confidence:.2f}"


def _urgent(case: _Case) -> Ruling | None:
    if case.situation.rule_hits:
        return urgent_by_rules(case.situation, case.index)
    assessment = case.assessment
    if not assessment.urgency_reasons or assessment.urgency < case.thresholds.urgent:
        return None
    rules = [case.index.urgency_rules[reason] for reason in assessment.urgency_reasons]
    titles = "; ".join(rule.title for rule in rules)
    return urgent_ruling(rules, assessment.urgency, f"Urgent by the model ({assessment.urgency:.2f}): {titles}.")


def _misuse(case: _Case) -> Ruling | None:
    misuse = case.misuse
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
    return answered(question) if question is not None else None


def _already_handed_over(case: _Case) -> Ruling | None:
    if not case.situation.waiting_for_human:
        return None
    return Ruling(
        Decision.PASS,
        f"It was handed over before and a colleague is to come, so it is neither redirected nor automated "
        f"and goes to {case.team}.",
        team=case.team,
    )


def _asks_for_person(case: _Case) -> Ruling | None:
    if not case.situation.asks_for_person:
        return None
    return Ruling(
        Decision.ESCALATE,
        "The customer asks for a person.",
        reason_code="asked_for_person",
        team=case.team if case.assessment.confidence >= case.thresholds.min_confidence else case.team_of_choice,
        template=ESCALATED,
    )


def _contradicted(case: _Case) -> Ruling | None:
    if not case.contradicts:
        return None
    team = case.team_of_choice
    return Ruling(
        Decision.PASS,
        f"The assessment names “{case.title()}” and yet says that the chosen path is right, so it goes to {team}.",
        team=team,
    )


def _sensitive_elsewhere(case: _Case) -> Ruling | None:
    """Categories that only people handle are never sent round by buttons."""
    category = case.category
    if category is None or not category.never_automate or case.matches is not False or case.is_on_path:
        return None
    if case.assessment.confidence < case.thresholds.min_confidence:
        return None
    return Ruling(
        Decision.ESCALATE,
        f"It is about “{case.title()}” ({case.sure()}), which people handle, whatever path was chosen.",
        reason_code="never_automate",
        team=category.team,
        template=ESCALATED,
        misuse=_bypass(case),
    )


def _unsure(case: _Case) -> Ruling | None:
    low = case.assessment.confidence < case.thresholds.min_confidence
    belongs_nowhere = case.category is None and case.path_is_specific and not case.belongs
    if not low and not belongs_nowhere:
        return None
    why = f"Too unsure ({case.sure()})" if low else "It fits no category and not the chosen path"
    team = case.team_of_choice if low else default_team(case.index)
    return Ruling(
        Decision.ESCALATE,
        f"{why}, so a colleague takes it.",
        reason_code="low_confidence",
        team=team,
        template=ESCALATED,
    )


def _wrong_path(case: _Case) -> Ruling | None:
    category = case.category
    if category is None or case.matches is not False or case.is_on_path:
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
            template=ESCALATED,
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
    workflow, mode = category.workflow, mode_of(category)
    if workflow is None or mode is Automation.OFF or case.assessment.workflow != workflow:
        return None
    if case.assessment.confidence < case.thresholds.automate_confidence:
        return None
    if mode is Automation.SHADOW:
        return replace(_passed(case), workflow=workflow)
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
    elif case.is_on_path:
        where = "though hardly anything speaks for the chosen path"
    else:
        where = "not surely enough for a redirect"
    return Ruling(
        Decision.PASS,
        f"It is about “{case.title()}” ({case.sure()}), {where}, so it goes to {team}.",
        team=team,
    )
