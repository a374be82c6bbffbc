"""What the AWS adapters share: their threads, their time-outs, their failures in the engine's words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from keyflow.errors import FatalError, PoisonMessageError, RetryableError

T = TypeVar("T")
_DENIED: Final = frozenset(
    ("AccessDenied", "AccessDeniedException", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId")
)
_MISSING_QUEUE: Final = frozenset(("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"))
_UNREADABLE: Final = frozenset(
    ("NoSuchKey", "NoSuchBucket", "NoSuchVersion", "404", "403", "InvalidObjectState", "AccessDenied")
)

CONFIG: Final = Config(
    connect_timeout=5,
    # Longer than SQS's longest poll.
    read_timeout=40,
    retries={"mode": "standard", "max_attempts": 3},
    max_pool_connections=32,
)


class UnreadableObjectError(PoisonMessageError):
    """An object that will not become readable by trying again."""


class Threads:
    """Runs blocking calls of boto3; their number bounds what is under way."""

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def aws_errors(call: str, *, reads_object: bool = False) -> Iterator[None]:
    """Translates whatever boto3 raises around one call.

    Args:
        call: What was being done.
        reads_object: Whether a missing or forbidden thing is this object's fault and not the set-up's.

    Raises:
        UnreadableObjectError: The object is missing, archived or forbidden.
        FatalError: Credentials, region or queue are wrong.
        RetryableError: Anything else: throttling, a server error, no connection, a cut body.
    """
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if reads_object and code in _UNREADABLE:
            raise UnreadableObjectError(f"{call}: {code}") from error
        if code in _DENIED:
            raise FatalError(f"{call}: {code}: check the AWS credentials and the role's permissions") from error
        if code in _MISSING_QUEUE:
            raise FatalError(f"{call}: there is no such queue: check FLOODGATE_SQS_QUEUE_URL") from error
        raise RetryableError(f"{call}: {code}") from error
    except (NoCredentialsError, NoRegionError) as error:
        raise FatalError(f"{call}: {error}") from error
    except BotoCoreError as error:
        # Time-outs and cut bodies are BotoCoreErrors, not ClientErrors.
        raise RetryableError(f"{call}: {type(error).__name__}") from error
