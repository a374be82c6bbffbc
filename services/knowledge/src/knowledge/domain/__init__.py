"""What is indexed, and what changed: pure."""
