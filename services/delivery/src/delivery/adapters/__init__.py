"""The channels: Intercom, a signed webhook, and callers who poll."""
