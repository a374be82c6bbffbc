"""The HTTP side: REST API, Intercom webhook, health."""
