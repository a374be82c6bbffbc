"""Tells the engine's classes of failure apart in what OpenSearch's client raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from keyflow.errors import FatalError, KeyflowError, OutageError, PoisonMessageError, RetryableError
from opensearchpy import exceptions

_TOO_MANY_REQUESTS: Final = 429
_REQUEST_TIMEOUT: Final = 408
_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
_REFUSED: Final = (401, 403)
_SERVER_ERROR: Final = 500


@contextmanager
def opensearch_errors(doing: str) -> Iterator[None]:
    """Translate everything that OpenSearch's client raises.

    Args:
        doing: What was being done, for the message; never text of a customer.

    Raises:
        RetryableError: Slow or busy: a time-out, 408, 429, 5xx.
        OutageError: Not reachable, or the index is not there.
        FatalError: Credentials refused, or a setting of the client is wrong.
        PoisonMessageError: OpenSearch refuses this one request.
    """
    try:
        yield
    except exceptions.ConnectionTimeout as error:
        raise RetryableError(f"{doing}: OpenSearch did not answer in time") from error
    except exceptions.SSLError as error:
        raise FatalError(f"{doing}: OpenSearch's certificate is refused: check FLOODGATE_OPENSEARCH_URL") from error
    except exceptions.ConnectionError as error:
        raise OutageError(f"{doing}: OpenSearch cannot be reached: is it up at FLOODGATE_OPENSEARCH_URL?") from error
    except exceptions.TransportError as error:
        raise status_error(doing, error.status_code, _reason(error)) from error
    except exceptions.ImproperlyConfigured as error:
        raise FatalError(f"{doing}: the OpenSearch client is not set up: {error}") from error
    except exceptions.OpenSearchException as error:
        raise RetryableError(f"{doing}: OpenSearch answered something unreadable") from error


def status_error(doing: str, status: int | str, reason: str) -> KeyflowError:
    """The error of an HTTP status, also of one that stands inside a bulk or multi-search answer."""
    code = status if isinstance(status, int) else _SERVER_ERROR
    if code in _REFUSED:
        return FatalError(f"{doing}: OpenSearch refuses our credentials ({code}): check FLOODGATE_OPENSEARCH_USER")
    if code == _NOT_FOUND:
        return OutageError(f"{doing}: the index is not there: run `floodgate knowledge sync`")
    if code in (_TOO_MANY_REQUESTS, _REQUEST_TIMEOUT) or code >= _SERVER_ERROR:
        return RetryableError(f"{doing}: OpenSearch is busy ({code} {reason})")
    return PoisonMessageError(f"{doing}: OpenSearch refuses the request ({code} {reason})")


def _reason(error: exceptions.TransportError) -> str:
    """Only the kind of error: its explanation may repeat the query."""
    kind = error.error if isinstance(error.error, str) else ""
    return kind if kind.replace("_", "").isalnum() else type(error).__name__
