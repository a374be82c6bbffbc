"""Takes the answers that batch inference gave as if the model had just given them."""

from __future__ import annotations

import json
from typing import TypeVar

from floodgate.bedrock import BedrockModel, ModelRequest, ModelResult, PriceTable
from floodgate.bedrock.native import batch_usage, converse_response
from floodgate.events import BatchAnswer
from pydantic import BaseModel

T = TypeVar("T", bound=BaseModel)


class BedrockAnswers:
    """Validates an answer by its question, repairs it once, and counts it at batch inference's price.

    Args:
        model: Repairs.
        prices: What an answer cost.
    """

    def __init__(self, model: BedrockModel, prices: PriceTable) -> None:
        self._model = model
        self._prices = prices

    async def read(self, request: ModelRequest[T], answer: BatchAnswer) -> ModelResult[T]:
        """What the answer says; see `BedrockModel.take` for the errors."""
        response = converse_response(json.loads(answer.output or "{}"))
        usage = batch_usage(response, answer.model_id, self._prices.price(answer.model_id))
        return await self._model.take(request, response, usage)
