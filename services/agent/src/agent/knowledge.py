"""Asks the curated knowledge. Without it a conversation goes on: only the citation or the answer is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

from floodgate.events import Citation
from floodgate.knowledge import Passage, Retriever
from floodgate.privacy import PLACEHOLDER, redact
from floodgate.telemetry import counter, get_logger
from keyflow.errors import KeyflowError

from agent.domain.answers import Answer, Candidate, bearing_on, best_answer, stems
from agent.domain.library import Library
from agent.domain.model import Workflow
from agent.domain.state import Case

log = get_logger(__name__)

_PASSAGES: Final = 40
"""A search puts one passage of each article first; what answers may be in the second of the right one."""
_MAX_TEXT_CHARS: Final = 2_000
_SPARE_SECONDS: Final = 1.0
"""Of the record's budget, left for writing down what was decided."""

_failures = counter("floodgate_agent_retrievals_failed_total", "Searches of the knowledge without an answer")
_questions = counter("floodgate_agent_questions_total", "Questions asked instead of an answer", ("result",))


class Knowledge:
    """What the agent asks of the knowledge.

    Args:
        retriever: Finds passages.
        library: Categories of articles, titles of categories, examples.
        seconds: For one search; it is not tried again.
    """

    def __init__(self, retriever: Retriever, library: Library, seconds: float) -> None:
        self._retriever = retriever
        self._library = library
        self._seconds = seconds

    async def bearing_on(
        self, case: Case, workflow: Workflow | None, opening: str, remaining_seconds: float | None
    ) -> tuple[Citation, ...]:
        """The articles that help the human who takes over.

        `opening` is the message that began the case, when it is at hand: no state keeps it.
        """
        category = _category(case, workflow)
        query = self._without_personal_data(self._wish(case, category, opening), case)
        found = await self._found(query, case, remaining_seconds)
        return bearing_on(query, self._candidates(found, category))

    async def answer(
        self, question: str, case: Case, workflow: Workflow, remaining_seconds: float | None
    ) -> Answer | None:
        """Sentences that answer a question which was asked in the middle of a workflow; None: nothing supports one."""
        category = _category(case, workflow)
        asked = self._without_personal_data(question, case)
        # People leave out what the conversation is about: "how long does it take?"
        found = await self._found(f"{asked} {self._title(category, case.language)}", case, remaining_seconds)
        answer = best_answer(asked, case.language, self._candidates(found, category))
        _questions.labels(result="refused" if answer is None else "answered").inc()
        return answer

    async def _found(self, query: str, case: Case, remaining_seconds: float | None) -> Sequence[Passage]:
        left = self._seconds
        if remaining_seconds is not None:
            left = min(left, remaining_seconds - _SPARE_SECONDS)
        if left <= 0 or not query.strip():
            return ()
        try:
            async with asyncio.timeout(left):
                return await self._retriever.passages(
                    query, language=case.language, country=case.country, limit=_PASSAGES
                )
        except (TimeoutError, KeyflowError) as error:
            # Never a retry of the record: an action may be behind it.
            _failures.inc()
            log.warning("agent.retrieval_failed", error_type=type(error).__name__)
            return ()

    def _wish(self, case: Case, category: str, opening: str) -> str:
        """What the user wants, in the language of the conversation where that is possible: `wants` is English."""
        if stems(opening, case.language):
            return opening
        title = self._title(category, case.language)
        if case.wants and (case.language == self._library.catalogue.default_language or not title):
            return case.wants
        return title

    def _without_personal_data(self, text: str, case: Case) -> str:
        """Placeholders go too: they are in no article."""
        redacted = redact(text[:_MAX_TEXT_CHARS], language=case.language, country=case.country)
        return " ".join(PLACEHOLDER.sub(" ", redacted.text).split())

    def _candidates(self, passages: Sequence[Passage], category: str) -> list[Candidate]:
        found = []
        for passage in passages:
            about = self._category_of.get(passage.article_id)
            found.append(Candidate(passage, self._subject(about, passage.language), about == category))
        return found

    @cached_property
    def _category_of(self) -> Mapping[str, str]:
        articles = self._library.catalogue.articles
        return {article.id: article.category for article in articles if article.category}

    def _subject(self, category: str | None, language: str) -> frozenset[str]:
        for known in self._library.catalogue.categories:
            if known.id == category:
                return stems(" ".join([known.title.get(language, ""), *known.examples.get(language, ())]), language)
        return frozenset()

    def _title(self, category: str, language: str) -> str:
        for known in self._library.catalogue.categories:
            if known.id == category:
                return known.title.get(language, "")
        return ""


def _category(case: Case, workflow: Workflow | None) -> str:
    return case.category or (workflow.category if workflow else "")
