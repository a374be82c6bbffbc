"""Backup of what only Kafka and the schema registry hold, and restore onto an empty cluster."""
