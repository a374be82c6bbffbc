"""Turns every finished interaction into a validated feature record."""
