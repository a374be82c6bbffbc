"""Decisions without Kafka, HTTP or clock."""
