"""OpenSearch over HTTP for services that ask it within their loop; its errors are the project's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from keyflow.errors import FatalError, OutageError, PoisonMessageError, RetryableError

from floodgate.settings import OpenSearchSettings


class OpenSearchHttp:
    """One pool of connections. Connects on the first call.

    Args:
        settings: Where OpenSearch is.
        timeout_seconds: For one call.
        connections: At most so many at once.
        refused: Raised where OpenSearch refuses what was asked: poison where that came with a record, retryable where
            the service asks of its own accord.
        transport: Takes the place of the network.
    """

    def __init__(
        self,
        settings: OpenSearchSettings,
        *,
        timeout_seconds: float,
        connections: int,
        refused: type[PoisonMessageError] | type[RetryableError] = PoisonMessageError,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._refused = refused
        auth = None
        if settings.user is not None and settings.password is not None:
            auth = httpx.BasicAuth(settings.user, settings.password.get_secret_value())
        self._http = httpx.AsyncClient(
            base_url=settings.url.rstrip("/"),
            auth=auth,
            transport=transport,
            timeout=timeout_seconds,
            limits=httpx.Limits(max_connections=connections),
        )

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        content: str | None = None,
        accept: Sequence[int] = (),
    ) -> httpx.Response:
        """One request, with a JSON body or with lines of JSON.

        Args:
            method: GET, PUT and so on.
            path: From the root, with its query.
            body: Sent as JSON.
            content: Sent as it is, as the bulk calls want it.
            accept: Statuses besides the good ones that are an answer.

        Raises:
            OutageError: It cannot be reached.
            RetryableError: It could not do it now.
            FatalError: It refuses the credentials.
            PoisonMessageError: It refuses what was asked; or what `refused` says.
        """
        headers = {"Content-Type": "application/x-ndjson"} if content is not None else None
        with _transport_errors(f"{method} {path.split('?', maxsplit=1)[0]}"):
            answer = await self._http.request(method, path, json=body, content=content, headers=headers)
        if answer.is_success or answer.status_code in accept:
            return answer
        raise self._error_of(answer, method)

    def _error_of(self, answer: httpx.Response, method: str) -> Exception:
        status = answer.status_code
        said = f"OpenSearch: {method}: {status} {reason_of(answer)}"
        if status in (401, 403):
            return FatalError(f"{said}: check FLOODGATE_OPENSEARCH_USER and FLOODGATE_OPENSEARCH_PASSWORD")
        if status in (408, 429) or status >= 500:
            return RetryableError(said)
        return self._refused(said)


def reason_of(answer: httpx.Response) -> str:
    """The type of an error only: its text may quote the document."""
    try:
        error = answer.json()["error"]
        return str(error["type"]) if isinstance(error, dict) else "error"
    except (ValueError, KeyError, TypeError):
        return "no reason given"


@contextmanager
def _transport_errors(call: str) -> Iterator[None]:
    try:
        yield
    except httpx.ConnectError as error:
        raise OutageError(f"OpenSearch cannot be reached ({call}): check FLOODGATE_OPENSEARCH_URL") from error
    except httpx.HTTPError as error:
        raise RetryableError(f"OpenSearch: {call}: {type(error).__name__}") from error
