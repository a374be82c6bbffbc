"""A running conversation finishes on the version that it started with."""

from __future__ import annotations

import copy

import pytest
from agent.domain.library import Library
from agent.handlers import AgentHandler
from agent.versions import Versions
from floodgate.catalogue.models import Automation
from floodgate.events import Escalation


@pytest.fixture
def published(chat, real_catalogue):
    """A conversation, and a way to publish another version under it."""

    def begin(workflow):
        talk = chat(workflow)
        first = talk.handler
        old = real_catalogue()

        def make(catalogue):
            return AgentHandler(
                Library(catalogue),
                talk.shop,
                talk.reader,
                first._settings,
                knowledge=first._knowledge,
                writer=type(first._writer)(Library(catalogue), 3_600.0, "0.1.0"),
                now_ms=first._now_ms,
                earlier=versions.earlier,
            )

        versions = Versions(make, store="")
        talk.handler = versions.of(old)

        def publish(change):
            new = copy.deepcopy(old.model_dump())
            change(new)
            catalogue = type(old).model_validate(new | {"version": "ba9876543210"})
            talk.handler = versions.of(catalogue)

        return talk, publish

    return begin


def another_amount(catalogue):
    catalogue["workflows"]["refund_order"]["steps"]["refund"]["max_amount_cents"] = 1_000


def removed(catalogue):
    another_amount(catalogue)
    for category in catalogue["categories"]:
        if category["workflow"] == "refund_order":
            category["automation"] = Automation.OFF


async def test_a_conversation_in_the_middle_of_a_changed_workflow_goes_on_as_it_began(published):
    talk, publish = published("refund_order")
    await talk.say("refund please")
    publish(another_amount)
    done = await talk.click("yes")
    assert done.resolved
    assert talk.actions == ["refund_order"]
    assert done.versions.catalogue == "0123456789ab"


async def test_the_next_conversation_runs_the_new_version(published):
    talk, publish = published("refund_order")
    publish(another_amount)
    await talk.say("refund please")
    await talk.click("yes")
    assert talk.actions == []
    assert isinstance(talk.last, Escalation)


async def test_what_was_switched_off_goes_on_in_no_version(published):
    talk, publish = published("refund_order")
    await talk.say("refund please")
    publish(removed)
    await talk.say("yes")
    assert talk.actions == []
    assert isinstance(talk.last, Escalation)
