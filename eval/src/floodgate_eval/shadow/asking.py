"""The model as both versions see it: the same question is asked once, so that the same answer meets both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final

from floodgate.bedrock import ModelClient, ModelRequest, ModelResult
from floodgate.bedrock.contract import T
from floodgate.bedrock.conversation import cached_schema
from floodgate.bedrock.prompts import parse_prompt
from pydantic import BaseModel

_answers: Final[ContextVar[dict[str, Any] | None]] = ContextVar("answers", default=None)


@contextmanager
def one_conversation() -> Iterator[None]:
    """For as long as one conversation is replayed, by one version after the other."""
    token = _answers.set({})
    try:
        yield
    finally:
        _answers.reset(token)


def remembered() -> dict[str, Any]:
    """What was answered in the conversation that is being replayed, by question."""
    known = _answers.get()
    return {} if known is None else known


class SharedAnswers:
    """Asks each question once a conversation and model; a version that asks it again gets the same answer.

    What differs between two versions is then what the change does, and not what a model says on another day. The
    second asking costs nothing; its usage is told all the same, as it is what that version would have used.

    Args:
        model: The client.
        model_id: Which model it asks.
    """

    def __init__(self, model: ModelClient, model_id: str = "") -> None:
        self._model = model
        self._model_id = model_id
        self.asked = 0
        """How many questions went to the model."""

    async def call(self, request: ModelRequest[T]) -> ModelResult[T]:
        """See `ModelClient.call`."""
        answers, key = remembered(), self._key(request)
        known = answers.get(key)
        if known is not None:
            return ModelResult(request.prompt.output.model_validate(known.raw), known.usage, known.repaired, known.raw)
        self.asked += 1
        result = await self._model.call(request)
        answers[key] = result
        return result

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """See `ModelClient.embed`."""
        return await self._model.embed(texts)

    def _key(self, request: ModelRequest[Any]) -> str:
        prompt = request.prompt
        output: type[BaseModel] = prompt.output
        schema = cached_schema(output)
        shown = [self._model_id, prompt.system, prompt.tool_name, prompt.max_tokens, schema, request.user_text]
        return json.dumps(shown, ensure_ascii=False)


class OtherPrompt:
    """Asks with another prompt's text, for a service that reads its prompt only when it asks.

    Args:
        model: The client.
        text: Of the prompt's file; it has no places to fill.

    Raises:
        FatalError: It is no prompt (with the first question).
    """

    def __init__(self, model: ModelClient, text: str) -> None:
        self._model = model
        self._text = text

    async def call(self, request: ModelRequest[T]) -> ModelResult[T]:
        """See `ModelClient.call`."""
        prompt = parse_prompt(self._text, "--prompt", request.prompt.output, {})
        return await self._model.call(replace(request, prompt=prompt))

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """See `ModelClient.embed`."""
        return await self._model.embed(texts)
