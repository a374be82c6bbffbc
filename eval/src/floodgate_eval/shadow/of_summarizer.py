"""The summarizer under comparison: what it reads out of every finished interaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from floodgate.bedrock import ModelClient
from floodgate.bedrock.prompts import in_place_of
from floodgate.events import Interaction, Summary, TurnRole
from floodgate.events.generated import AvroModel
from floodgate.settings import load
from keyflow import Processor
from summarizer.bootstrap import bootstrap
from summarizer.domain.features import content_hash
from summarizer.domain.state import InteractionState
from summarizer.settings import SummarizerSettings

from floodgate_eval.shadow.history import Entry
from floodgate_eval.shadow.taken import About, Subject, Taken, masked_text
from floodgate_eval.shadow.versions import Version
from floodgate_eval.shadow.wiring import unconnected_serde

PROMPTS: Final = "summarizer.prompts"
PROMPT: Final = "summarize.md"


class SummarizerSubject(Subject):
    """Interactions in, feature records out."""

    name: ClassVar[str] = "summarizer"
    inputs: ClassVar[tuple[str, ...]] = ("support.interactions",)
    outputs: ClassVar[tuple[str, ...]] = ("support.summaries",)
    first: ClassVar[tuple[str, ...]] = (
        "failed", "negative", "escalated", "resolved", "pending", "positive", "neutral", "repaired",
    )  # fmt: skip

    def processor(self, version: Version, model: ModelClient) -> Processor[Any]:
        with in_place_of(PROMPTS, PROMPT, version.prompt):
            service = bootstrap(
                load(SummarizerSettings),
                catalogue=version.catalogue,
                model=model,
                store=_NoStore(),
                serde=unconnected_serde(),
            )
        return service.processors[0]

    def decides(self, entry: Entry) -> bool:
        return isinstance(entry.value, Interaction)

    def taken(self, entry: Entry, made: Sequence[AvroModel], failed: str = "") -> Taken | None:
        summary = next((one for one in made if isinstance(one, Summary)), None)
        if summary is None:
            return Taken("failed", frozenset({"failed"}), failed=failed) if failed else None
        sentiment, ending = summary.sentiment.value, summary.resolution_status.value
        facts = {
            "topic": summary.primary_topic,
            "intent": summary.intent,
            "language": summary.language,
            # A tenth is about what a reader would notice.
            "urgency": f"{summary.urgency_score:.1f}",
            "csat": f"{summary.csat_indicator:.1f}",
        }
        return Taken(
            label=f"{sentiment}, {ending}",
            marks=frozenset({sentiment, ending, *(["repaired"] if summary.repaired else [])}),
            facts=facts,
            said=summary.summary,
            category=summary.primary_topic,
            language=summary.language,
            usage=summary.usage,
        )

    def known_without(self, entry: Entry, state: Any, made: Sequence[AvroModel]) -> tuple[bool, Any]:
        interaction = entry.value
        if not isinstance(interaction, Interaction):
            return False, state
        return True, (state or InteractionState()).after(interaction.event_id, content_hash(interaction))

    def about(self, entry: Entry) -> About:
        interaction = entry.value
        assert isinstance(interaction, Interaction)
        said = " / ".join(turn.text for turn in interaction.turns if turn.role is TurnRole.CUSTOMER)
        return About(
            interaction.conversation_id or str(interaction.interaction_id), str(interaction.event_id),
            interaction.country or "", interaction.chosen_path,
            masked_text(said, interaction.language, interaction.country),
        )  # fmt: skip


class _NoStore:
    """Takes nothing: a comparison keeps no feature record."""

    async def put(self, values: dict[str, str]) -> None:
        """Never called.

        Raises:
            AssertionError: Always.
        """
        raise AssertionError("a comparison writes nothing")
