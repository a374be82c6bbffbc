"""Keeps curated knowledge and examples fresh in S3 and OpenSearch: a job, run daily and by hand."""
