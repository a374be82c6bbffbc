"""The workflows: their language, what runs them and what checks them. Nothing here knows Kafka, HTTP or a clock."""
