"""Logs and figures, the same in every service. No payload, prompt or customer text goes into either."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import structlog
from prometheus_client import REGISTRY, Counter, Gauge, Histogram


def configure_logging(service: str) -> None:
    """Sends structured logs to standard error: JSON lines, or readable ones on a terminal."""
    level = os.environ.get("FLOODGATE_LOG_LEVEL", "INFO").upper()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # These two log whole requests or connection chatter at INFO.
    for noisy in ("httpx", "httpx2", "opensearch", "botocore", "urllib3", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; events are dotted names, everything else key-values."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def counter(name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
    """A Prometheus counter; asking twice gives the same one."""
    found: Counter = _metric(Counter, name, documentation, labels)
    return found


def gauge(name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
    """A Prometheus gauge; asking twice gives the same one."""
    found: Gauge = _metric(Gauge, name, documentation, labels)
    return found


def histogram(
    name: str, documentation: str, labels: Sequence[str] = (), buckets: Sequence[float] = Histogram.DEFAULT_BUCKETS
) -> Histogram:
    """A Prometheus histogram in seconds; asking twice gives the same one."""
    found: Histogram = _metric(Histogram, name, documentation, labels, buckets=buckets)
    return found


_made: dict[str, Any] = {}


def _metric(kind: Any, name: str, documentation: str, labels: Sequence[str], **kwargs: Any) -> Any:
    if name not in _made:
        _made[name] = kind(name, documentation, labels, registry=REGISTRY, **kwargs)
    return _made[name]


def one_line(error: BaseException, limit: int = 500) -> str:
    """What an error says, on one line: the first of many problems and that there are more."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    text = " ".join(lines[:2]) + (f" (and {len(lines) - 2} lines more)" if len(lines) > 2 else "")
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
