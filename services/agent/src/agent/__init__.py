"""Resolves frequent simple cases by deterministic, validated workflows."""
