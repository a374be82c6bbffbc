"""The one Intercom client that the services share, and its webhooks."""

from floodgate.intercom.client import IntercomClient
from floodgate.intercom.errors import IntercomRefusedError, IntercomUnavailableError
from floodgate.intercom.models import (
    Admin,
    Author,
    ChangedConversation,
    Contact,
    Conversation,
    ConversationAttribute,
    ConversationPage,
    ConversationPart,
    DataAttribute,
    QuickReplyOption,
    Tag,
    Team,
)
from floodgate.intercom.search import all_of, any_of, where
from floodgate.intercom.settings import IntercomSettings
from floodgate.intercom.webhooks import WebhookEnvelope, sign, verify_signature

__all__ = [
    "Admin",
    "Author",
    "ChangedConversation",
    "Contact",
    "Conversation",
    "ConversationAttribute",
    "ConversationPage",
    "ConversationPart",
    "DataAttribute",
    "IntercomClient",
    "IntercomRefusedError",
    "IntercomSettings",
    "IntercomUnavailableError",
    "QuickReplyOption",
    "Tag",
    "Team",
    "WebhookEnvelope",
    "all_of",
    "any_of",
    "sign",
    "verify_signature",
    "where",
]
