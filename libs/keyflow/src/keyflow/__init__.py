"""Key-ordered concurrent stream processing on Kafka with exactly-once output."""
