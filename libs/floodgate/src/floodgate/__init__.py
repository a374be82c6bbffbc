"""What the Floodgate services share: events, model client, knowledge, privacy, settings, telemetry."""

from typing import Final

__version__: Final = "0.1.0"
