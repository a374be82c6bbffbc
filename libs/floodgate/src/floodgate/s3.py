"""What everything that keeps something in S3 shares: boto3's failures in the engine's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore import exceptions
from keyflow.errors import FatalError, OutageError, RetryableError

MISSING: Final = frozenset({"NoSuchKey", "404"})
"""Error codes of an object that is not there."""

_REFUSED: Final = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403"})


@contextmanager
def s3_errors(where: str, *, no_bucket: str) -> Iterator[None]:
    """Translates everything that boto3 raises.

    Args:
        where: What is being done, and to what.
        no_bucket: The remedy when the bucket does not exist.

    Raises:
        FatalError: The bucket, the credentials or the region are wrong.
        RetryableError: S3 refuses for now, or does not answer in time.
        OutageError: S3 cannot be reached.
    """
    try:
        yield
    except exceptions.ClientError as error:
        code = error_code(error)
        if code == "NoSuchBucket":
            raise FatalError(f"{where}: no such bucket; {no_bucket}") from error
        if code in _REFUSED:
            raise FatalError(f"{where}: access refused ({code}); check the AWS credentials") from error
        raise RetryableError(f"{where}: S3 refused for now ({code})") from error
    except (exceptions.NoCredentialsError, exceptions.NoRegionError) as error:
        raise FatalError(f"{where}: AWS is not configured: {error}") from error
    except (exceptions.ReadTimeoutError, exceptions.ConnectTimeoutError) as error:
        raise RetryableError(f"{where}: S3 did not answer in time") from error
    except exceptions.BotoCoreError as error:
        raise OutageError(f"{where}: S3 cannot be reached ({type(error).__name__})") from error


def error_code(error: exceptions.ClientError) -> str:
    """S3's code of a failure; empty when it gave none."""
    return str(error.response.get("Error", {}).get("Code", ""))
