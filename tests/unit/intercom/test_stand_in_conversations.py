"""What happens in the stand-in's workspace when users, humans and the bot act."""

from datetime import UTC, datetime

import pytest
from floodgate.intercom import IntercomRefusedError, QuickReplyOption, all_of, any_of, where
from floodgate_local.intercom.desk import Desk
from floodgate_local.intercom.store import Store

YES = QuickReplyOption(text="Yes", uuid="a5e1c524-5ddd-4c3e-9328-6bca5d6e3edb")
NO = QuickReplyOption(text="No", uuid="f4a98af1-be56-4948-a57e-e1a83f8484c6")


class Silent:
    """Nobody listens to notifications."""

    def wanted(self) -> bool:
        return False

    def enqueue(self, notification) -> None:
        raise AssertionError("nothing is to be sent")


async def test_a_new_conversation_waits_in_the_screening_inbox_with_its_path(client, conversation_id):
    conversation = await client.get_conversation(conversation_id)
    assert conversation.state == "open"
    assert conversation.team_assignee_id == "1000"
    assert conversation.custom_attributes == {"floodgate_path": "tickets/resend", "language": "nl", "country": "NL"}
    assert conversation.contact is not None
    assert conversation.contact.external_id == "cust-0001"
    assert conversation.source.body == "Waar zijn mijn kaartjes?"


async def test_the_clicked_button_stands_in_the_parts_metadata(client, local, conversation_id):
    await client.send_quick_replies(conversation_id, [YES, NO], text="Is this right?")
    clicked = await local.post(f"/_local/conversations/{conversation_id}/user-reply", json={"clicked_uuid": NO.uuid})
    assert clicked.status_code == 200
    parts = (await client.get_conversation(conversation_id)).parts
    assert [option.uuid for option in parts[0].metadata.quick_reply_options] == [YES.uuid, NO.uuid]
    assert parts[1].metadata.quick_reply_uuid == NO.uuid
    assert parts[1].body == "No"


async def test_a_button_that_was_never_offered_cannot_be_clicked(local, conversation_id):
    answer = await local.post(f"/_local/conversations/{conversation_id}/user-reply", json={"clicked_uuid": YES.uuid})
    assert answer.status_code == 404


async def test_a_user_who_writes_to_a_closed_conversation_opens_it(client, local, conversation_id):
    await client.close(conversation_id)
    await local.post(f"/_local/conversations/{conversation_id}/user-reply", json={"text": "One more thing"})
    conversation = await client.get_conversation(conversation_id)
    assert conversation.state == "open"
    assert [part.part_type for part in conversation.parts] == ["close", "open"]


async def test_a_snoozed_conversation_wakes_up_at_its_time(client, clock, conversation_id):
    await client.snooze(conversation_id, datetime.fromtimestamp(clock.now + 60, UTC))
    assert (await client.get_conversation(conversation_id)).state == "snoozed"
    clock.now += 61
    assert (await client.get_conversation(conversation_id)).state == "open"


async def test_tagging_twice_leaves_one_tag_and_names_ignore_case(client, conversation_id):
    tag = await client.create_tag("Urgent Today")
    assert (await client.create_tag("urgent today")).id == tag.id
    await client.attach_tag(conversation_id, tag.id)
    await client.attach_tag(conversation_id, tag.id)
    assert [t.id for t in (await client.get_conversation(conversation_id)).tags.tags] == [tag.id]
    await client.detach_tag(conversation_id, tag.id)
    assert (await client.get_conversation(conversation_id)).tags.tags == []


async def test_a_conversation_shows_its_500_latest_parts(client, conversation_id):
    for n in range(503):
        await client.add_note(conversation_id, f"note {n}")
    conversation = await client.get_conversation(conversation_id)
    assert len(conversation.parts) == 500
    assert conversation.conversation_parts.total_count == 503
    assert conversation.parts[-1].body == "note 502"


async def test_bodies_are_html_unless_plain_text_is_asked_for(client, conversation_id):
    await client.reply(conversation_id, "1 < 2\n\nsecond & last\nline")
    html = (await client.get_conversation(conversation_id, plaintext=False)).parts[0].body
    assert html == "<p>1 &lt; 2</p>\n<p>second &amp; last<br>line</p>"
    assert (await client.get_conversation(conversation_id)).parts[0].body == "1 < 2\n\nsecond & last\nline"


async def test_search_finds_by_time_state_and_tag(client, clock, local, conversation_id):
    clock.now += 100
    await local.post("/_local/conversations", json={"external_id": "cust-0002", "text": "Hello"})
    await client.attach_tag(conversation_id, "9002")
    since = int(clock.now)

    async def found(query) -> set[str]:
        return {conversation.id async for conversation in client.search_all_conversations(query)}

    assert await found(where("created_at", ">", since)) == {"100002"}
    assert await found(where("updated_at", ">", since)) == {"100001", "100002"}
    assert await found(where("created_at", "<", since - 1)) == {"100001"}
    assert await found(where("tag_ids", "=", "9002")) == {"100001"}
    assert await found(where("tag_ids", "NIN", ["9002"])) == {"100002"}
    assert await found(all_of(where("open", "=", True), where("created_at", "<", since - 1))) == {"100001"}
    assert await found(any_of(where("id", "=", "100001"), where("id", "=", "100002"))) == {"100001", "100002"}
    assert await found(where("source.body", "~", "kaartjes")) == {"100001"}


async def test_pages_of_a_search_neither_skip_nor_repeat_while_conversations_change(client, local):
    for n in range(25):
        await local.post("/_local/conversations", json={"external_id": f"cust-{n:04d}", "text": "Hello"})
    seen: list[str] = []
    async for conversation in client.search_all_conversations(where("created_at", ">", 1), per_page=4):
        seen.append(conversation.id)
        await client.reply(conversation.id, "seen")
    assert sorted(seen) == [str(100_001 + n) for n in range(25)]


async def test_without_an_external_id_the_person_is_a_lead(client, local):
    begun = (await local.post("/_local/conversations", json={"email": "someone@example.org", "text": "Hi"})).json()
    contact = await client.get_contact(begun["contact_id"])
    assert (contact.role, contact.external_id) == ("lead", None)


async def test_the_same_person_is_one_contact(local, conversation_id):
    again = await local.post("/_local/conversations", json={"external_id": "cust-0001", "text": "Again"})
    assert again.status_code == 200
    assert (await local.get("/_local/summary")).json()["contacts"] == 1


async def test_the_summary_counts_what_the_bot_said_and_names_what_it_said_twice(client, local, conversation_id):
    await client.reply(conversation_id, "We are on it.")
    await client.reply(conversation_id, "We are on it.")
    await client.add_note(conversation_id, "a note")
    await client.assign(conversation_id, "1002")
    await local.post(f"/_local/conversations/{conversation_id}/human-reply", json={"text": "We are on it."})
    summary = (await local.get("/_local/summary")).json()
    assert (summary["bot"]["replies"], summary["bot"]["notes"], summary["bot"]["assignments"]) == (2, 1, 1)
    assert summary["human"]["replies"] == 1
    assert summary["conversations_by_team"] == {"1002": 1}
    assert summary["duplicates"] == [
        {"conversation_id": conversation_id, "part_type": "comment", "first_part_id": "500002", "times": 2}
    ]


async def test_everything_survives_a_restart(settings, client, local, conversation_id):
    await client.reply(conversation_id, "still here")
    again = Store(settings.state_dir / "intercom.sqlite")
    again.open()
    assert again.conversations[conversation_id].state == "open"
    assert [part.body for part in again.parts[conversation_id]] == ["<p>still here</p>"]
    assert again.next_conversation_id() == "100002"
    assert int(again.next_part_id()) > int(again.parts[conversation_id][-1].id)
    again.close()


async def test_reset_forgets_everything_but_the_workspace(client, local, conversation_id):
    await local.post("/_local/reset")
    with pytest.raises(IntercomRefusedError):
        await client.get_conversation(conversation_id)
    assert len(await client.list_teams()) == 7


async def test_a_mark_that_the_bot_left_twice_is_named(client, local, conversation_id):
    await client.add_note(conversation_id, "handed over (ref 11aa)")
    await client.add_note(conversation_id, "handed over, again (ref 11aa)")
    await client.add_note(conversation_id, "something else (ref 22bb)")
    summary = (await local.get("/_local/summary", params={"mark": "ref [0-9a-f]{4}"})).json()
    assert summary["marks"] == [
        {"conversation_id": conversation_id, "part_type": "note", "mark": "ref 11aa", "times": 2}
    ]
    assert (await local.get("/_local/summary", params={"mark": "("})).status_code == 400


async def test_the_screening_inbox_lets_go_what_got_no_verdict_in_time(settings, clock, client, local, conversation_id):
    store = Store(settings.state_dir / "intercom.sqlite")
    store.open()
    desk = Desk(store, Silent(), clock, "1000")
    assert desk.release_overdue(60) == 0
    clock.now += 60
    assert desk.release_overdue(60) == 1
    assert desk.release_overdue(60) == 0
    conversation = store.conversations[conversation_id]
    assert conversation.team_assignee_id == "1006"
    (part,) = store.parts[conversation_id]
    assert (part.part_type, part.author_type, part.assigned_to_id) == ("assignment", "bot", "1006")
    store.close()


async def test_a_conversation_that_has_its_team_is_not_released(settings, clock, client, conversation_id):
    await client.assign(conversation_id, "1002")
    store = Store(settings.state_dir / "intercom.sqlite")
    store.open()
    clock.now += 1_000
    assert Desk(store, Silent(), clock, "1000").release_overdue(60) == 0
    store.close()
