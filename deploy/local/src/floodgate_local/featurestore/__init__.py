"""A server on loopback that speaks the SageMaker Feature Store Runtime protocol, kept in SQLite."""
