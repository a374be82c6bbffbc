"""Every request of the client, and every answer of the stand-in, is what Intercom's description says."""

import inspect
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from floodgate.intercom import (
    IntercomClient,
    IntercomRefusedError,
    QuickReplyOption,
    all_of,
    any_of,
    where,
)

YES = QuickReplyOption(text="Yes", uuid="a5e1c524-5ddd-4c3e-9328-6bca5d6e3edb")
NO = QuickReplyOption(text="No", uuid="f4a98af1-be56-4948-a57e-e1a83f8484c6")
NOT_CALLS = {"aclose", "bot_admin_id"}


async def make_every_call(client: IntercomClient, conversation_id: str, contact_id: str) -> set[str]:
    """Makes each call of the client, with every argument that it has; returns the methods used."""
    used: set[str] = set()

    def using(name: str):
        used.add(name)
        return getattr(client, name)

    await using("me")()
    for name in ("list_admins", "list_teams", "list_tags", "list_conversation_attributes", "list_data_attributes"):
        await using(name)()
    await client.list_data_attributes("company")
    await using("create_tag")("floodgate:new")
    await using("get_contact")(contact_id)
    await using("create_conversation")(contact_id, "Hello again")
    await using("send_quick_replies")(conversation_id, [YES, NO], text="Is this right?")
    await client.send_quick_replies(conversation_id, [YES])
    await using("reply_as_contact")(conversation_id, contact_id, "Yes", clicked=YES)
    await client.reply_as_contact(conversation_id, contact_id, "And <b>more</b>")
    await using("reply")(conversation_id, "We are on it.")
    await using("add_note")(conversation_id, "<p>Summary</p><ul><li>one</li></ul>")
    attributes = {"floodgate_category": "resend_tickets", "floodgate_urgency": "low"}
    await using("update_conversation")(conversation_id, custom_attributes=attributes)
    await using("assign")(conversation_id, "1002")
    await client.assign(conversation_id, "5002", to="admin")
    await client.assign(conversation_id, "0")
    await using("attach_tag")(conversation_id, "9001")
    await client.attach_tag(conversation_id, "9002")
    await using("detach_tag")(conversation_id, "9002")
    await using("snooze")(conversation_id, datetime.now(UTC) + timedelta(hours=1))
    await using("open")(conversation_id)
    await using("close")(conversation_id)
    await using("get_conversation")(conversation_id)
    await client.get_conversation(conversation_id, plaintext=False)
    page = await using("list_conversations")(per_page=1)
    await client.list_conversations(per_page=1, starting_after=page.starting_after)
    await using("search_conversations")(where("updated_at", ">", 1_700_000_000), per_page=1)
    grouped = all_of(any_of(where("state", "=", "open"), where("open", "=", False)), any_of(where("id", "IN", ["1"])))
    await client.search_conversations(grouped)
    searched = using("search_all_conversations")(where("created_at", "<=", 2_000_000_000), per_page=1)
    assert len([conversation async for conversation in searched]) == 2
    assert (await using("delete_conversation")(conversation_id)).deleted
    assert (await using("delete_contact")(contact_id)).deleted
    return used


async def test_what_was_deleted_is_not_found_and_the_rest_still_is(client, begun):
    conversation_id, contact_id = begun["conversation_id"], begun["contact_id"]
    kept = await client.create_conversation(contact_id, "Another one")
    await client.delete_conversation(conversation_id)
    await client.delete_contact(contact_id)
    for call in (
        client.get_conversation(conversation_id),
        client.delete_conversation(conversation_id),
        client.get_contact(contact_id),
        client.delete_contact(contact_id),
    ):
        with pytest.raises(IntercomRefusedError) as refused:
            await call
        assert refused.value.status == 404
    shown = await client.get_conversation(kept.conversation_id)
    assert shown.contact is not None
    assert (shown.contact.id, shown.contact.external_id) == (contact_id, None)


async def test_every_call_and_its_answer_fit_the_description(description, exchanges, client, begun):
    used = await make_every_call(client, begun["conversation_id"], begun["contact_id"])
    public = {
        name
        for name, member in inspect.getmembers(IntercomClient, inspect.isfunction)
        if not name.startswith("_") and name not in NOT_CALLS
    }
    assert used == public, "a call of the client is not made here"
    assert len(exchanges.kept) >= 30
    for request, response in exchanges.kept:
        said = f"{request.method} {request.url.path}"
        assert response.status_code == 200, said
        assert description.problems_of_request(request) == [], said
        assert description.problems_of_response(request, response) == [], said


async def test_every_refusal_is_described_or_an_error_list(description, exchanges, client, local, begun):
    conversation_id, contact_id = begun["conversation_id"], begun["contact_id"]
    nobody, no_one = "99999999", "0" * 24
    for call in (
        client.get_conversation(nobody),
        client.update_conversation(nobody, custom_attributes={}),
        client.update_conversation(conversation_id, custom_attributes={"no_such_attribute": "x"}),
        client.reply(nobody, "hello"),
        client.reply_as_contact(conversation_id, no_one, "hello"),
        client.reply_as_contact(nobody, contact_id, "hello"),
        client.close(nobody),
        client.assign(conversation_id, nobody),
        client.attach_tag(nobody, "9001"),
        client.attach_tag(conversation_id, nobody),
        client.detach_tag(conversation_id, nobody),
        client.get_contact(no_one),
        client.create_conversation(no_one, "hello"),
    ):
        with pytest.raises(IntercomRefusedError):
            await call
    await local.get("/data_attributes", params={"model": "conversation"})
    await local.get("/me", headers={"Intercom-Version": "9.9"})
    for path in ("/me", "/admins", "/teams", "/tags", "/conversations", f"/conversations/{conversation_id}"):
        await local.get(path, headers={"Authorization": "Bearer wrong"})
    await local.put("/_local/rate-limit", json={"per_minute": 6})
    await local.get("/admins")
    await local.get("/admins")
    statuses = {response.status_code for _, response in exchanges.kept}
    assert {400, 401, 404, 422, 429} <= statuses
    for request, response in exchanges.kept:
        if response.status_code >= 400:
            assert description.problems_of_response(request, response) == [], request.url.path


async def test_people_played_locally_leave_conversations_that_fit_the_description(
    description, exchanges, client, local, begun
):
    conversation_id = begun["conversation_id"]
    await client.send_quick_replies(conversation_id, [YES, NO])
    base = f"/_local/conversations/{conversation_id}"
    for path, body in (
        ("/user-reply", {"clicked_uuid": NO.uuid}),
        ("/human-reply", {"text": "A person here"}),
        ("/human-reply", {"text": "For us only", "note": True}),
        ("/assign", {"to_team_id": "1001"}),
        ("/tag", {"tag": "floodgate:wrong-path:billing"}),
        ("/close", {}),
        ("/user-reply", {"text": "One more thing"}),
    ):
        assert (await local.post(base + path, json=body)).status_code == 200, path
    lead = (await local.post("/_local/conversations", json={"email": "lead@example.org", "text": "Hi"})).json()
    await client.get_conversation(conversation_id)
    await client.get_conversation(lead["conversation_id"])
    await client.get_contact(lead["contact_id"])
    for request, response in exchanges.kept:
        assert description.problems_of_response(request, response) == [], request.url.path


async def test_the_judge_sees_a_request_and_a_response_that_do_not_fit(description, exchanges, client, begun):
    await client.reply(begun["conversation_id"], "hello")
    ((request, response),) = exchanges.kept
    body = response.json()
    for damage in ({"id": 7}, {"state": "ajar"}, {"admin_assignee_id": "5001"}, {"conversation_parts": {"type": "x"}}):
        broken = httpx.Response(200, json={**body, **damage})
        assert description.problems_of_response(request, broken), damage
    without_admin = httpx.Request("POST", request.url, json={"message_type": "comment", "type": "admin", "body": "x"})
    assert description.problems_of_request(without_admin)
    old = httpx.Request("GET", "http://intercom.test/me", headers={"Intercom-Version": "9.9"})
    assert description.problems_of_request(old)
