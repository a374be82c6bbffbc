"""The vendor's own example of a conversation can be read.

The description is not part of this repository: it is looked for in `../shared/reference/intercom/` beside the checkout
(or under `FLOODGATE_SHARED`), and what needs it is skipped where it is absent.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from ingest.domain.intercom import messages_of_conversation
from ingest_samples import RULES

DESCRIPTION = "reference/intercom/api.intercom.io-2.16.yaml"


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    shared = os.environ.get("FLOODGATE_SHARED")
    path = (Path(shared) if shared else Path(__file__).parents[4] / "shared") / DESCRIPTION
    if not path.is_file():
        pytest.skip(f"needs Intercom's OpenAPI description at shared/{DESCRIPTION} (FLOODGATE_SHARED names shared/)")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    answer = document["paths"]["/conversations/{conversation_id}"]["get"]["responses"]["200"]
    found: dict[str, Any] = answer["content"]["application/json"]["examples"]["conversation found"]["value"]
    return found


def test_a_conversation_that_the_company_began_holds_no_message_of_a_user(example: dict[str, Any]) -> None:
    kinds = [str(message.kind) for message in messages_of_conversation(example, RULES)]
    # Its one comment is by an admin; the other parts are attribute updates and custom actions.
    assert kinds == ["human_joined"]
