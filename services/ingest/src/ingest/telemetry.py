"""The figures of this service. Labels have a bounded number of values and never hold a customer's words."""

from __future__ import annotations

from typing import Final

from floodgate.telemetry import counter, histogram

WEBHOOKS: Final = counter(
    "floodgate_ingest_webhooks_total", "Webhook requests by topic and outcome.", ("topic", "outcome")
)
# Fine enough for a median and a 95th percentile that are read from the buckets, from 2 ms to 30 s.
_BUCKETS_SECONDS: Final = (
    *(0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0),
)
HTTP_SECONDS: Final = histogram(
    "floodgate_ingest_http_seconds",
    "Time from a request's head to the head of its answer, by route and class of status.",
    ("route", "status_class"),
    _BUCKETS_SECONDS,
)
EVENTS: Final = counter("floodgate_ingest_events_total", "Events written by source and kind.", ("source", "kind"))
REST_REQUESTS: Final = counter("floodgate_ingest_rest_total", "REST calls by route and status.", ("route", "status"))
LINES: Final = counter(
    "floodgate_ingest_lines_total", "Lines of files and S3 objects by source and outcome.", ("source", "outcome")
)
S3_OBJECTS: Final = counter("floodgate_ingest_s3_objects_total", "S3 objects by outcome.", ("outcome",))
S3_NOTICES: Final = counter("floodgate_ingest_s3_notices_total", "Messages of the S3 queue by outcome.", ("outcome",))
RECONCILED: Final = counter(
    "floodgate_ingest_reconciled_total", "Events that the reconciler looked at by outcome.", ("outcome",)
)
RECONCILE_PASSES: Final = counter(
    "floodgate_ingest_reconcile_passes_total", "Passes of the reconciler by outcome.", ("outcome",)
)
