"""What the tests of the local models share."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from floodgate_nlu.local_model import ChatMessage, LocalModel, ModelCall, ToolSpec

CATEGORIES = """<categories>
<category id="resend_tickets" path="tickets/resend" workflow="resend_tickets">Resend tickets; I did not receive my \
tickets; send my tickets again; ik heb mijn kaartjes niet ontvangen; meine Tickets sind nicht angekommen</category>
<category id="cancel_subscription" path="subscription/cancel">Cancel subscription; I want to cancel my subscription; \
ik wil mijn abonnement opzeggen; ich möchte mein Abo kündigen; stop my membership</category>
<category id="refund_tickets" path="tickets/refund">Refund; I want my money back; ik wil mijn geld terug; give me a \
refund for the show; ich möchte mein Geld zurück</category>
<category id="sign_in" path="account/sign_in">Sign in; I cannot log in; I forgot my password; ik kan niet inloggen; \
Passwort vergessen</category>
</categories>"""

IDS = ["resend_tickets", "cancel_subscription", "refund_tickets", "sign_in"]
PATHS = ["tickets/resend", "subscription/cancel", "tickets/refund", "account/sign_in"]
RULES = ["payment_fraud", "account_takeover", "safety_at_event", "minors", "self_harm", "legal"]

ASSESS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "category": {"type": "string", "enum": [*IDS, "none"]},
        "belongs_to_chosen_path": {"type": "boolean"},
        "suggested_path": {"type": "string", "enum": [*PATHS, "none"]},
        "misuse": {"type": "string", "enum": ["none", "injection", "abuse", "spam"]},
        "urgency": {"type": "number", "minimum": 0, "maximum": 1},
        "urgency_reasons": {"type": "array", "items": {"type": "string", "enum": RULES}},
        "workflow": {"type": "string", "enum": ["resend_tickets", "cancel_subscription", "none"]},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "evidence": {"type": "array", "items": {"type": "string", "maxLength": 120}, "maxItems": 3},
        "language": {"type": "string"},
        "wants": {"type": "string", "maxLength": 160},
    },
    "required": ["category", "misuse", "urgency"],
}

SUMMARY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "maxLength": 200},
        "sentiment": {"enum": ["positive", "neutral", "negative"]},
        "primary_topic": {"enum": ["tickets", "subscription", "account", "other"]},
        "intent": {"enum": ["get_tickets", "cancel_subscription", "get_refund", "regain_access", "other"]},
        "resolution_status": {"enum": ["resolved", "escalated", "pending"]},
        "urgency_score": {"type": "number", "minimum": 0, "maximum": 1},
        "csat_indicator": {"type": "number", "minimum": 0, "maximum": 1},
        "language": {"type": "string"},
    },
}

Answer = Mapping[str, Any]


@pytest.fixture(scope="session")
def model() -> LocalModel:
    return LocalModel(None)


def call(system: str, user: str, name: str, schema: Mapping[str, Any], *later: ChatMessage) -> ModelCall:
    return ModelCall(system, (ChatMessage("user", user), *later), ToolSpec(name, "", schema), 400, {})


@pytest.fixture
def assess(model: LocalModel) -> Callable[..., Answer]:
    def run(message: str, chosen: str = "tickets/resend", extra: str = "") -> Answer:
        user = f"<customer_message>{message}</customer_message><chosen_path>{chosen}</chosen_path>{extra}"
        answer = model.complete(call(CATEGORIES, user, "assess_message", ASSESS_SCHEMA)).tool_input
        assert answer is not None
        json.dumps(answer)
        return answer

    return run


@pytest.fixture
def summarize(model: LocalModel) -> Callable[..., Answer]:
    def run(turns: list[tuple[str, str]], language: str = "en") -> Answer:
        transcript = "".join(f'<turn role="{role}">{text}</turn>' for role, text in turns)
        user = f"<summary_language>{language}</summary_language><transcript>{transcript}</transcript>"
        answer = model.complete(call(CATEGORIES, user, "summarize_interaction", SUMMARY_SCHEMA)).tool_input
        assert answer is not None
        return answer

    return run


@pytest.fixture
def read_slots(model: LocalModel) -> Callable[..., Answer]:
    def run(message: str, **slots: str) -> Answer:
        lines = "".join(f'<slot name="{name}" type="{kind}">{name}</slot>' for name, kind in slots.items())
        types = {"amount": "number", "yes_no": "boolean", "integer": "integer"}
        properties: dict[str, Any] = {
            name: {"type": [types.get(k.split(";")[0], "string"), "null"]} for name, k in slots.items()
        }
        properties["command"] = {"enum": ["answer", "cancel", "human", "correct", "question", "none"]}
        user = f"<slots>{lines}</slots><today>2026-11-22</today><customer_message>{message}</customer_message>"
        answer = model.complete(call("", user, "read_slots", {"type": "object", "properties": properties})).tool_input
        assert answer is not None
        return answer

    return run


@pytest.fixture
def assess_schema() -> Mapping[str, Any]:
    return ASSESS_SCHEMA


@pytest.fixture
def ask(model: LocalModel) -> Callable[..., Answer]:
    """Any tool with any schema; later turns may follow."""

    def run(user: str, name: str, schema: Mapping[str, Any], *later: ChatMessage, system: str = "") -> Answer:
        answer = model.complete(call(system, user, name, schema, *later)).tool_input
        assert answer is not None
        return answer

    return run


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The public corpora beside the repository; the test is skipped where they are not."""
    root = Path(__file__).resolve().parents[3]
    folder = Path(os.environ.get("FLOODGATE_SHARED", root.parent / "shared")) / "corpora"
    if not folder.is_dir():
        pytest.skip("needs ../shared/corpora beside the repository (or FLOODGATE_SHARED)")
    return folder
