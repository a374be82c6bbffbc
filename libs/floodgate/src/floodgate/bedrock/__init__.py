"""The one client for all model calls on Amazon Bedrock."""

from floodgate.bedrock.contract import ModelClient, ModelRequest, ModelResult, Prompt, Usage
from floodgate.bedrock.errors import BudgetExceededError, ModelAccessError
from floodgate.bedrock.limiter import Limiter, Observation
from floodgate.bedrock.model import BedrockModel
from floodgate.bedrock.prices import ModelPrice, PriceTable
from floodgate.bedrock.prompts import load_prompt
from floodgate.bedrock.settings import BedrockSettings

__all__ = [
    "BedrockModel",
    "BedrockSettings",
    "BudgetExceededError",
    "Limiter",
    "ModelAccessError",
    "ModelClient",
    "ModelPrice",
    "ModelRequest",
    "ModelResult",
    "Observation",
    "PriceTable",
    "Prompt",
    "Usage",
    "load_prompt",
]
