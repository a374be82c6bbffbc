"""Floodgate's infrastructure on AWS."""
