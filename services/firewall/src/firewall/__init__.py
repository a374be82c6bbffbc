"""Screens every message before a human queue."""
