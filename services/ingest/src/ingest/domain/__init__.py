"""Pure decisions: what an inbound document means. No Kafka, no AWS, no clock, no randomness."""
