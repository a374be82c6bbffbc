"""Counts what the services wrote, and tells somebody when it is out of the ordinary."""
