"""Declarations of the backends that workflows may use."""
