"""Small local language models."""
