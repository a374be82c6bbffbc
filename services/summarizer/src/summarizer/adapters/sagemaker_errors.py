"""Every way a SageMaker call can fail, as the errors that the engine tells apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)
from keyflow.errors import FatalError, KeyflowError, PoisonMessageError, RetryableError

_BUSY: Final = frozenset({
    "ThrottlingException", "Throttling", "TooManyRequestsException", "ServiceUnavailable", "InternalFailure",
})  # fmt: skip
_BROKEN_RECORD: Final = frozenset({"ValidationError", "ValidationException"})


class FeatureStoreBusyError(RetryableError):
    """Throttled, failing or out of reach: the same record may be put again."""


class FeatureRecordRefusedError(PoisonMessageError):
    """The record does not fit the group."""


class FeatureStoreAccessError(FatalError):
    """The group is missing, or we may not use it."""


@contextmanager
def translate_errors(operation: str, group: str) -> Iterator[None]:
    """Turns everything that boto raises inside into our errors.

    Raises:
        FeatureStoreBusyError: 429, 5xx, time-outs, a broken connection.
        FeatureRecordRefusedError: The store refuses this one record.
        FeatureStoreAccessError: Group, region, credentials or permissions.
    """
    where = f"feature store {operation} on {group}"
    try:
        yield
    except ClientError as error:
        raise _from_client_error(error, where) from error
    except (ReadTimeoutError, ConnectTimeoutError, EndpointConnectionError, HTTPClientError) as error:
        raise FeatureStoreBusyError(f"{where}: no answer ({type(error).__name__})") from error
    except BotoCoreError as error:
        raise FeatureStoreAccessError(f"{where}: {error}; check AWS_REGION and the credentials") from error


def entry_error(code: str, message: str, operation: str) -> KeyflowError:
    """Why one entry of a batch was not written."""
    return _classified(code or "Unknown", 0, message, f"feature store {operation}")


def _from_client_error(error: ClientError, where: str) -> KeyflowError:
    code = str(error.response.get("Error", {}).get("Code", "Unknown"))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return _classified(code, status, str(error.response.get("Error", {}).get("Message", "")), where)


def _classified(code: str, status: int, message: str, where: str) -> KeyflowError:
    if code in _BUSY or status == 429 or status >= 500 or status == 408:
        return FeatureStoreBusyError(f"{where}: failed with {status} {code}")
    if code in {"ResourceNotFound", "ResourceNotFoundException"} or status == 404:
        return FeatureStoreAccessError(f"{where}: there is no such feature group; run `floodgate features setup`")
    if code in _BROKEN_RECORD:
        # The message may quote a value of the record: it goes to the dead letter only.
        return FeatureRecordRefusedError(f"{where}: the record was refused ({code})", raw_output=message)
    return FeatureStoreAccessError(f"{where}: {status} {code}; check region, credentials and permissions")
