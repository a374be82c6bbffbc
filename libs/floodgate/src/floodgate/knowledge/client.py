"""Makes the client of OpenSearch in one place, so that every part speaks to it in the same way."""

from __future__ import annotations

from typing import Final

from opensearchpy import OpenSearch

from floodgate.settings import OpenSearchSettings

_POOL_SIZE: Final = 8


def make_client(target: OpenSearchSettings | str, *, timeout_seconds: float = 3.0) -> OpenSearch:
    """A client that connects with its first request and leaves retrying to the caller.

    Args:
        target: Settings, or a bare URL where no credentials are needed.
        timeout_seconds: For one request.
    """
    url = target if isinstance(target, str) else target.url
    credentials = None
    if not isinstance(target, str) and target.user and target.password is not None:
        credentials = (target.user, target.password.get_secret_value())
    return OpenSearch(
        hosts=[url], http_auth=credentials, timeout=timeout_seconds, max_retries=0, pool_maxsize=_POOL_SIZE
    )
