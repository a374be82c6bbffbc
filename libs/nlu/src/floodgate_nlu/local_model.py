"""The local model: one call in, one completion out, by the conventions of the services' prompts.

It knows the request and the catalogue and nothing else: no answer is prepared for a known text.
"""

from pathlib import Path
from typing import Final

from floodgate_nlu.assess import MessageAssessor
from floodgate_nlu.catalogue import load_catalogue
from floodgate_nlu.embedding import embed
from floodgate_nlu.generic import fill_tool
from floodgate_nlu.interactions import InteractionSummarizer
from floodgate_nlu.passages import answer_from_passages
from floodgate_nlu.repair import repaired
from floodgate_nlu.slots import read_slots
from floodgate_nlu.taxonomy import ModelCache
from floodgate_nlu.types import ChatMessage, Completion, ModelCall, ToolSpec
from floodgate_nlu.urgency import UrgencyRules, catalogue_phrases

__all__ = ["ChatMessage", "Completion", "LocalModel", "ModelCall", "ToolSpec"]

DEFAULT_DIMENSIONS: Final = 256


class LocalModel:
    """Deterministic and safe to share between threads."""

    def __init__(self, catalogue_dir: Path | None = None) -> None:
        """Read the catalogue; classifiers are trained when first needed.

        Raises:
            ValueError: A file of the catalogue is not valid YAML.
        """
        catalogue = load_catalogue(catalogue_dir)
        rules = UrgencyRules(catalogue_phrases(catalogue_dir))
        models = ModelCache()
        self._assessor = MessageAssessor(catalogue, models, rules)
        self._summarizer = InteractionSummarizer(catalogue, models, rules)

    def warm_up(self) -> None:
        """Load the lexicons and train on the catalogue now, so that the first call is as fast as the others."""
        schema = {"type": "object", "properties": {"category": {"type": "string"}, "sentiment": {"type": "string"}}}
        question = (ChatMessage("user", "<customer_message>Where is my order, please?</customer_message>"),)
        for name in ("assess_message", "summarize_interaction", "read_slots"):
            self.complete(ModelCall("", question, ToolSpec(name, "", schema), 100, {}))

    def complete(self, call: ModelCall) -> Completion:
        """Answer one call: the input of the forced tool, or text where no tool is given."""
        if call.tool is None:
            return Completion(answer_from_passages(call), None)
        if call.tool.name == "assess_message":
            filled = self._assessor.assess(call, call.tool)
        elif call.tool.name == "summarize_interaction":
            filled = self._summarizer.summarize(call, call.tool)
        elif call.tool.name == "read_slots":
            filled = read_slots(call, call.tool)
        else:
            filled = fill_tool(call, call.tool)
        return Completion(None, repaired(filled, call, call.tool))

    def embed(self, text: str, dimensions: int = DEFAULT_DIMENSIONS) -> list[float]:
        """The embedding of a text, of length one.

        Raises:
            ValueError: The number of dimensions is not between 1 and 4096.
        """
        return list(embed(text, dimensions))
