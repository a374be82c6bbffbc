"""What runs beside the engine: the S3 poller and the reconciler."""
