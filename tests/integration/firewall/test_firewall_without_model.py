"""No model in reach: nobody waits for it. In a module of its own, so that no other firewall answers."""

from __future__ import annotations

import pytest
from floodgate.events import Decision

pytestmark = pytest.mark.integration


def test_without_a_model_a_human_takes_it_and_an_emergency_is_still_seen(firewall_without_model, desk, conversation):
    plain = desk.message("Where are my tickets?", conversation=conversation, chosen_path="tickets/resend")
    urgent = desk.message("someone used my card", conversation=f"{conversation}-2", chosen_path="other")
    desk.say(plain, urgent)
    verdict = desk.verdict_on(plain)
    assert (verdict.decision, verdict.screened, verdict.team) == (Decision.ESCALATE, False, "tickets")
    verdict = desk.verdict_on(urgent)
    assert (verdict.urgent, verdict.screened) == (True, False)
    escalations = desk.await_all(
        "support.escalations", 2, lambda e: e.conversation_id in {conversation, f"{conversation}-2"}
    )
    assert {e.reason_code for e in escalations} == {"not_screened", "urgent"}
