"""Technology behind the ports: OpenSearch, Intercom, S3 and SQS, Kafka."""
