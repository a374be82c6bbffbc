"""Inbound edge: Intercom webhooks, REST, raw topic, S3 drops and files onto Avro topics."""
