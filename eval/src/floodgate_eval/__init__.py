"""Measures what the services decide, through the services' own code, against any model."""
