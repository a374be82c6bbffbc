"""The web side."""
