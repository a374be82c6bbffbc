"""The baseline that ROUGE is read beside."""

from __future__ import annotations

import pytest
from floodgate_eval.rows import TurnRow
from floodgate_eval.template import MAX_CHARS, template_summary


def turns(*said: tuple[str, str]) -> list[TurnRow]:
    return [TurnRow.model_validate({"role": role, "text": text}) for role, text in said]


def test_the_customers_first_sentence_and_the_agents_most_central_one() -> None:
    conversation = turns(
        ("customer", "Hi! My glasses are scratched. They are new."),
        ("agent", "This week, then."),
        ("agent", "We replace the scratched glasses for free."),
        ("customer", "Lovely."),
        ("agent", "The new glasses are free, and we replace them this week."),
    )
    assert template_summary(conversation, "en") == (
        "Customer My glasses are scratched. Agent The new glasses are free, and we replace them this week."
    )


def test_it_speaks_the_language_of_the_conversation() -> None:
    assert template_summary(turns(("customer", "Moje brýle jsou poškrábané.")), "cs") == (
        "Zákazník Moje brýle jsou poškrábané."
    )


@pytest.mark.parametrize("language", ["en", "cs", "tr"])
def test_it_is_as_short_as_a_summary_has_to_be(language: str) -> None:
    long = "every word of this goes on and on " * 20
    assert len(template_summary(turns(("customer", long), ("agent", long)), language)) <= MAX_CHARS


def test_a_customer_who_only_greets_is_still_in_it() -> None:
    assert template_summary(turns(("customer", "Hi!"), ("agent", "How can I help?")), "en") == (
        "Customer Hi! Agent How can I help?"
    )


def test_a_conversation_without_a_customer_or_an_agent_has_half_a_summary() -> None:
    assert template_summary(turns(("agent", "The line is down.")), "en") == "Customer  Agent The line is down."
