"""The demo company's backend: tickets and subscriptions on SQLite, for workflows to act on."""
