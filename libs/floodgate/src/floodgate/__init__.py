"""What the Floodgate services share: events, model client, knowledge, privacy, settings, telemetry."""
