"""Gathers what a page shows: asks the projection, Kafka and the services, and lets the domain make sense of it."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from floodgate.catalogue import Catalogue
from floodgate.deadletters.masking import masked
from floodgate.events import SwitchMode
from floodgate.events.topics import topics as declared
from floodgate.mode_switch import ModeSwitch
from floodgate.modes import EVERYTHING

from console.adapters.kafka_lag import KafkaLag
from console.adapters.kafka_projector import KafkaProjector
from console.adapters.kafka_records import KafkaRecords, TopicFacts
from console.adapters.opensearch_projection import OpenSearchProjection
from console.adapters.opensearch_syncs import OpenSearchSyncs
from console.adapters.prometheus import Figures, PrometheusScraper
from console.domain import agent, firewall, impact, knowledge, now, summaries, timeline
from console.domain.documents import Document
from console.domain.spans import Span, sources
from console.keeping import Keeping
from console.settings import ConsoleSettings

_SHOWN_RECORDS: Final = 40


class Gathering:
    """What the pages are made of.

    Args:
        settings: Budget, baselines.
        projection: What happened.
        projector: Whether it is up to date.
        records: Single records.
        lag: What waits.
        scraper: What services say of themselves.
        syncs: What the knowledge job noted of its runs.
        modes: How far automation may go now.
        catalogue: Categories, paths, workflows.
    """

    def __init__(
        self,
        settings: ConsoleSettings,
        projection: OpenSearchProjection,
        projector: KafkaProjector,
        *,
        records: KafkaRecords,
        lag: KafkaLag,
        scraper: PrometheusScraper,
        syncs: OpenSearchSyncs,
        modes: ModeSwitch,
        catalogue: Catalogue | None,
    ) -> None:
        self._settings = settings
        self.projection = projection
        self.projector = projector
        self.records = records
        self._lag = lag
        self._scraper = scraper
        self._syncs = syncs
        self._modes = modes
        self.catalogue = catalogue
        self.stopping = asyncio.Event()
        self._keeping: Keeping[list[dict[str, Any]]] = Keeping()
        self._facts: Keeping[list[TopicFacts]] = Keeping()

    @property
    def version(self) -> int:
        """Grows with everything that open pages do not show yet."""
        return self.projector.version + self._keeping.renewed

    async def _searched(self, name: Hashable, queries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Figures over a long time: kept for a while where they are dear. What people act on is asked anew."""
        return await self._keeping.get(name, lambda: self.projection.search(*queries))

    async def now(self, span: Span, at: datetime) -> Mapping[str, Any]:
        """The first page."""
        answers, lags, figures = await asyncio.gather(
            self._searched(("now", span.name), now.searches(span, at)), self._lag.read(), self._scraper.read()
        )
        board = now.board(span, answers, self._settings.daily_budget_usd)
        names = sorted({case["conversation_id"] for case in board["urgent"]})
        taken = sources((await self.projection.search(now.taken(names)))[0]) if names else []
        return {
            **board,
            "waiting": now.waiting(board["urgent"], taken, at),
            "flow": now.flow(board["rates"], lags),
            "lags": lags,
            "services": _services(lags, figures),
            "watches_services": bool(self._settings.metrics_urls),
            "problem": self.projector.problem,
            "limits": self.limits(),
            "categories": self.category_titles(),
        }

    async def firewall(self, span: Span, at: datetime) -> Mapping[str, Any]:
        """What the firewall decided."""
        return firewall.board(await self._searched(("firewall", span.name), firewall.searches(span, at)))

    async def agent(self, span: Span, at: datetime) -> Mapping[str, Any]:
        """What workflows did."""
        answers = await self._searched(("agent", span.name), agent.searches(span, at))
        [approvals] = await self.projection.search(agent.pending())
        return agent.board([*answers, approvals], self.catalogue.workflows if self.catalogue else {}, at)

    async def summaries(self, span: Span, at: datetime) -> Mapping[str, Any]:
        """The feature records."""

        async def ask() -> list[dict[str, Any]]:
            found = await self.projection.search(*summaries.searches(span, at))
            return found + await self.projection.search(summaries.covered(summaries.interaction_ids(found)))

        *answers, covered = await self._keeping.get(("summaries", span.name), ask)
        return {
            **summaries.board(answers),
            **summaries.completeness(summaries.interaction_ids(answers), covered),
        }

    async def knowledge(self, span: Span, at: datetime) -> Mapping[str, Any]:
        """What is known, and what was not found."""
        answers = await self._searched(("knowledge", span.name), knowledge.searches(span, at))
        notes = knowledge.synced(await self._syncs.read(), at)
        return {**knowledge.board(answers, self.catalogue, at.date()), "sync": notes}

    async def impact(self, span: Span, at: datetime) -> Mapping[str, Any]:
        """The month, for leadership."""

        async def ask() -> list[dict[str, Any]]:
            found = await self.projection.search(*impact.searches(at))
            return found + await self.projection.search(*impact.further_searches(found, at))

        answers = await self._keeping.get("impact", ask)
        first = len(impact.searches(at))
        return impact.board(answers[:first], answers[first:], self._settings, at)

    async def conversations(self, text: str, *, texts: bool) -> list[Document]:
        """Those that match, or the newest."""
        if text:
            return sources((await self.projection.search(timeline.matching(text, texts=texts)))[0])
        return timeline.each_once(sources((await self.projection.search(timeline.latest()))[0]))

    async def conversation_documents(self, conversation_id: str) -> list[Document]:
        """Every record of a conversation."""
        documents = sources((await self.projection.search(timeline.of_conversation(conversation_id)))[0])
        interactions = sorted({found["interaction_id"] for found in documents if found.get("interaction_id")})
        if interactions:
            known = {found["event_id"] for found in documents}
            more = sources((await self.projection.search(timeline.of_interactions(interactions)))[0])
            documents += [found for found in more if found["event_id"] not in known]
        return documents

    async def conversation(self, conversation_id: str, *, unmask: bool) -> dict[str, Any]:
        """One conversation's page."""
        documents = await self.conversation_documents(conversation_id)
        return {
            "conversation_id": conversation_id,
            "hops": timeline.hops(documents, unmask=unmask),
            "totals": timeline.totals(documents),
            "judged": timeline.verdicts(documents),
            "paths": self.path_titles(),
            "unmasked": unmask,
        }

    async def proposals(self) -> list[dict[str, Any]]:
        """Actions that wait for a person."""
        [answer] = await self.projection.search(agent.pending())
        return agent.waiting(sources(answer), datetime.now(UTC))

    def limits(self) -> list[dict[str, str]]:
        """What limits automation now, everything first."""
        set_now = [change for change in self._modes.modes.changes.values() if change.mode is not SwitchMode.ON]
        titles = {EVERYTHING: "Everything", **self.category_titles()}
        return [
            {
                "target": change.target,
                "title": titles.get(change.target, change.target),
                "mode": change.mode.value,
                "actor": change.actor,
                "reason": change.reason,
                "at": change.occurred_at.isoformat(),
            }
            for change in sorted(set_now, key=lambda change: change.target)
        ]

    def category_titles(self) -> dict[str, str]:
        """The catalogue's categories as they are called."""
        if self.catalogue is None:
            return {}
        language = self.catalogue.default_language
        return {category.id: category.title.get(language, category.id) for category in self.catalogue.categories}

    def path_titles(self) -> dict[str, str]:
        """The catalogue's paths and what their buttons say."""
        if self.catalogue is None:
            return {}
        language = self.catalogue.default_language
        return {path.id: path.label.get(language, path.id) for path in self.catalogue.paths}

    async def topics(self, topic: str, *, partition: str, offset: str, at: str, key: str) -> dict[str, Any]:
        """The topics, and records of the chosen one."""
        facts = await self._facts.get("facts", lambda: asyncio.to_thread(self.records.facts))
        problem, shown = "", []
        if topic in declared():
            try:
                shown = await asyncio.to_thread(
                    self.records.browse,
                    topic,
                    limit=_SHOWN_RECORDS,
                    partition=int(partition) if partition else None,
                    offset=int(offset) if offset else None,
                    at=datetime.fromisoformat(at).astimezone() if at else None,
                )
            except (ValueError, OverflowError):
                problem = "Partition and offset are numbers, the time is like 2026-03-31T18:00."
        elif topic:
            problem = "There is no such topic."
        rows = [record for record in shown if not key or record.key == key]
        return {
            "facts": facts,
            "topic": topic,
            "records": [{"place": record, "value": masked(record.value)} for record in rows],
            "problem": problem,
            "asked": {"partition": partition, "offset": offset, "at": at, "key": key},
        }


def _services(lags: Mapping[str, int | None], figures: Sequence[Figures]) -> list[dict[str, Any]]:
    """One row a processor: what waits, and what it says of itself where it is asked."""
    said = {processor: figure for one in figures for processor, figure in one.by_processor.items()}
    names = sorted({*lags, *said})
    return [{"name": name, "lag": lags.get(name), "said": said.get(name)} for name in names]
