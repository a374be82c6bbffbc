"""The demo: conversations and interactions through the front doors of the real services."""
