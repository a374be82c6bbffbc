"""Personal data becomes reversible placeholders before any model, log or search sees a text."""

from floodgate.privacy.redaction import (
    PLACEHOLDER,
    Redacted,
    contains_personal_data,
    placeholders_in,
    redact,
    restore,
)

__all__ = ["PLACEHOLDER", "Redacted", "contains_personal_data", "placeholders_in", "redact", "restore"]
