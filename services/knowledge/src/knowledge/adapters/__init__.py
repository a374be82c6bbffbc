"""S3 and OpenSearch behind the job's ports."""
