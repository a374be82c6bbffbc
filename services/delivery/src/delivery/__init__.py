"""Outbound edge: replies, redirects and hand-offs to Intercom and other channels."""
