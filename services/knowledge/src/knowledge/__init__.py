"""Keeps curated knowledge fresh in S3 and OpenSearch."""
