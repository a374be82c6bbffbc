"""The signature of a webhook is over the raw body, and nothing but it passes."""

import hashlib
import hmac

import pytest
from floodgate.intercom.webhooks import WebhookEnvelope, sign, verify_signature
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError


def test_the_signature_is_the_published_hmac():
    expected = "sha1=" + hmac.new(b"secret", b'{"a": 1}', hashlib.sha1).hexdigest()
    assert sign(b"secret", b'{"a": 1}') == expected


@given(secret=st.binary(min_size=1), body=st.binary())
def test_what_was_signed_verifies(secret, body):
    assert verify_signature(secret, body, sign(secret, body))


@given(secret=st.binary(min_size=1), body=st.binary(), other=st.binary())
def test_another_body_does_not_verify(secret, body, other):
    assert verify_signature(secret, other, sign(secret, body)) is (other == body)


@pytest.mark.parametrize(
    "header", [None, "", "sha1=", "sha1", "sha256=" + "0" * 64, "ééé", "sha1=" + "0" * 40, "\ud800"]
)
def test_a_header_that_is_no_signature_does_not_verify(header):
    assert not verify_signature(b"secret", b"body", header)


def test_an_empty_secret_verifies_nothing():
    assert not verify_signature(b"", b"body", sign(b"", b"body"))


def test_an_envelope_with_members_that_we_do_not_know_is_read():
    envelope = WebhookEnvelope.model_validate(
        {
            "type": "notification_event",
            "topic": "conversation.user.replied",
            "id": "notif_1",
            "new_member": {"x": 1},
            "data": {
                "type": "notification_event_data",
                "item": {
                    "type": "conversation",
                    "id": 77,
                    "admin_assignee_id": 0,
                    "team_assignee_id": 1001,
                    "source": None,
                    "custom_attributes": None,
                    "conversation_parts": {
                        "conversation_parts": [
                            {"id": 5, "part_type": "comment", "metadata": None, "author": {"type": "lead", "id": "a"}}
                        ]
                    },
                },
            },
        }
    )
    conversation = envelope.conversation()
    assert (conversation.id, conversation.admin_assignee_id, conversation.team_assignee_id) == ("77", None, "1001")
    assert conversation.parts[0].id == "5"
    assert conversation.parts[0].author.is_customer


def test_a_ping_is_an_envelope_but_no_conversation():
    envelope = WebhookEnvelope.model_validate({"topic": "ping", "data": {"item": {"type": "ping"}}})
    with pytest.raises(ValidationError):
        envelope.conversation()
