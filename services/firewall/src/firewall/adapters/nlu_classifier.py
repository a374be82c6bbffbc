"""The local classifier of the cascade: the local models' assessor, trained on one version of the catalogue."""

from __future__ import annotations

from floodgate.bedrock import Prompt
from floodgate.bedrock.conversation import cached_schema
from floodgate.catalogue import Catalogue
from floodgate_nlu.assess import MessageAssessor
from floodgate_nlu.catalogue import Catalogue as TrainingCatalogue
from floodgate_nlu.catalogue import Category as TrainingCategory
from floodgate_nlu.taxonomy import ModelCache
from floodgate_nlu.types import ChatMessage, ModelCall, ToolSpec
from floodgate_nlu.urgency import UrgencyRules
from pydantic import ValidationError

from firewall.domain.assessment import AssessMessage


class NluClassifier:
    """Trained with the first question, or by `warm_up`; safe to share between threads.

    Args:
        catalogue: Its examples are what it learns.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        phrases = {
            rule.id: [phrase for texts in rule.phrases.values() for phrase in texts] for rule in catalogue.urgency
        }
        self._assessor = MessageAssessor(_training(catalogue), ModelCache(), UrgencyRules(phrases))

    def warm_up(self, prompt: Prompt[AssessMessage]) -> None:
        """Trains now instead of with the first question."""
        self.answer(prompt, "<customer_message>Where is my order, please?</customer_message>")

    def answer(self, prompt: Prompt[AssessMessage], user_text: str) -> AssessMessage | None:
        """See `LocalClassifier.answer`."""
        tool = ToolSpec(prompt.tool_name, prompt.tool_description, cached_schema(prompt.output))
        call = ModelCall(prompt.system, (ChatMessage("user", user_text),), tool, prompt.max_tokens)
        try:
            return prompt.output.model_validate(self._assessor.assess(call, tool))
        except ValidationError:
            return None


def _training(catalogue: Catalogue) -> TrainingCatalogue:
    categories = {
        category.id: TrainingCategory(
            category.id,
            category.path,
            dict(category.title),
            tuple(text for language in sorted(category.examples) for text in category.examples[language]),
            category.workflow,
            dict(category.examples),
        )
        for category in catalogue.categories
    }
    return TrainingCatalogue(categories, catalogue.version)
