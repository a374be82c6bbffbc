"""A queue of notifications in SQS."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import boto3

from ingest.adapters.aws import CONFIG, Threads, aws_errors
from ingest.ports import QueueMessage

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_MAX_MESSAGES: Final = 10


class SqsQueue:
    """Receives, hides and deletes messages. Connects on the first call.

    Args:
        url: The queue's URL.
        threads: Where boto3 may block; one of them waits in the long poll.
        wait_seconds: Length of the long poll.
        visibility_seconds: How long a received message stays hidden.
        make_client: Makes the SQS client.
    """

    def __init__(
        self,
        url: str,
        threads: Threads,
        *,
        wait_seconds: int,
        visibility_seconds: int,
        make_client: Callable[[], SQSClient] | None = None,
    ) -> None:
        self.url = url
        self.visibility_seconds = visibility_seconds
        self._wait_seconds = wait_seconds
        self._threads = threads
        self._make_client = make_client or (lambda: boto3.client("sqs", config=CONFIG))
        self._client: SQSClient | None = None

    async def receive(self) -> list[QueueMessage]:
        """The next messages; none when the long poll ends without one."""
        return await self._threads.call(self._receive)

    async def delete(self, message: QueueMessage) -> None:
        """Takes a message away for good."""
        await self._threads.call(lambda: self._delete(message))

    async def hide(self, message: QueueMessage, seconds: int) -> None:
        """Keeps a message hidden for so long from now on."""
        await self._threads.call(lambda: self._hide(message, seconds))

    def _receive(self) -> list[QueueMessage]:
        with aws_errors("SQS ReceiveMessage"):
            answer = self._sqs().receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=_MAX_MESSAGES,
                WaitTimeSeconds=self._wait_seconds,
                VisibilityTimeout=self.visibility_seconds,
            )
        return [
            QueueMessage(message["ReceiptHandle"], message.get("Body", "")) for message in answer.get("Messages", [])
        ]

    def _delete(self, message: QueueMessage) -> None:
        with aws_errors("SQS DeleteMessage"):
            self._sqs().delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt)

    def _hide(self, message: QueueMessage, seconds: int) -> None:
        with aws_errors("SQS ChangeMessageVisibility"):
            self._sqs().change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=message.receipt, VisibilityTimeout=seconds
            )

    def _sqs(self) -> SQSClient:
        if self._client is None:
            self._client = self._make_client()
        return self._client
