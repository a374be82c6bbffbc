"""The question to the model: a fixed part per catalogue, and the delimited data of one message."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from floodgate.bedrock import ModelRequest, Prompt, load_prompt
from floodgate.catalogue import CatalogueIndex
from floodgate.knowledge import Example, Passage
from floodgate.privacy import PLACEHOLDER

from firewall.domain.assessment import AssessMessage, assess_message_model

MAX_PASSAGE_CHARS: Final = 400
MAX_EXAMPLE_CHARS: Final = 160
_ANGLE: Final = re.compile(rf"{PLACEHOLDER.pattern}|[<>]")
_ENTITIES: Final = {"<": "&lt;", ">": "&gt;"}


def assess_prompt(index: CatalogueIndex) -> Prompt[AssessMessage]:
    """The versioned prompt with the catalogue's lines; byte-identical for one catalogue version.

    Raises:
        FatalError: The prompt file is missing or malformed.
    """
    catalogue = index.catalogue
    categories = "\n".join(
        f"{c.id} | {c.path} | {index.title(c.id, catalogue.default_language)}" for c in catalogue.categories
    )
    reasons = "\n".join(f"{rule.id} | {rule.title}" for rule in catalogue.urgency)
    return load_prompt(
        "firewall.prompts",
        "assess.md",
        assess_message_model(index),
        company=catalogue.company,
        categories=categories,
        urgency_reasons=reasons,
    )


def plan(
    prompt: Prompt[AssessMessage],
    *,
    text: str,
    chosen_path: str,
    language: str,
    examples: Sequence[Example] = (),
    passages: Sequence[Passage] = (),
    deadline_seconds: float | None = None,
) -> ModelRequest[AssessMessage]:
    """The request for one message.

    Args:
        prompt: The fixed part.
        text: The customer's words with placeholders for personal data.
        chosen_path: Path id or "unknown".
        language: As identified.
        examples: Similar texts of the catalogue.
        passages: Knowledge that may tell what the customer speaks of.
        deadline_seconds: Time for the call, repair included.
    """
    parts = [f"<chosen_path>{neutralise(chosen_path)}</chosen_path>", f"<language>{language}</language>"]
    if examples:
        lines = "\n".join(
            f'<example category="{example.category}">{neutralise(example.text[:MAX_EXAMPLE_CHARS])}</example>'
            for example in examples
        )
        parts.append(f"<retrieved_examples>\n{lines}\n</retrieved_examples>")
    if passages:
        lines = "\n".join(
            f'<passage id="{neutralise(passage.chunk_id)}">{neutralise(passage.text[:MAX_PASSAGE_CHARS])}</passage>'
            for passage in passages
        )
        parts.append(f"<knowledge>\n{lines}\n</knowledge>")
    parts.append(f"<customer_message>\n{neutralise(text)}\n</customer_message>")
    return ModelRequest(
        prompt=prompt,
        user_text="\n".join(parts),
        metadata={"service": "firewall", "prompt": f"{prompt.name}-{prompt.version}"},
        deadline_seconds=deadline_seconds,
    )


def neutralise(text: str) -> str:
    """Takes the meaning from a text's own tags, so that none can end or begin a delimited part.

    Placeholders of personal data stay readable.
    """
    return _ANGLE.sub(lambda found: _ENTITIES.get(found[0], found[0]), text)
