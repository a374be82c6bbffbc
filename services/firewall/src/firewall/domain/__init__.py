"""What the firewall decides, and why: pure functions, no Kafka, no model client, no clock."""
