"""Talks to the local Bedrock server's own pages, which Bedrock itself does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx
from keyflow.errors import FatalError

SERVER_NAME: Final = "floodgate-local-bedrock"
_TIMEOUT_SECONDS: Final = 3.0


def is_local_server(url: str) -> bool:
    """Whether the local Bedrock server, and not Bedrock, answers at this address."""
    if not url.startswith("http://"):
        return False
    try:
        answer = httpx.get(f"{url.rstrip('/')}/healthz", timeout=_TIMEOUT_SECONDS, trust_env=False)
        return bool(answer.json().get("server") == SERVER_NAME)
    except (httpx.HTTPError, ValueError, AttributeError):
        return False


class LocalServer:
    """The switches of the local Bedrock server.

    Args:
        url: Its address, as in AWS_ENDPOINT_URL_BEDROCK_RUNTIME.
    """

    def __init__(self, url: str | None) -> None:
        if not url:
            raise FatalError("no local Bedrock server is named: run `make up`, or set AWS_ENDPOINT_URL_BEDROCK_RUNTIME")
        self._url = url.rstrip("/")

    def faults(self) -> dict[str, Any]:
        """The faults that are switched on.

        Raises:
            FatalError: When no local Bedrock server answers.
        """
        return self._send("GET", "/_local/faults")

    def set_faults(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Switch to these faults.

        Raises:
            FatalError: When no local Bedrock server answers, or it refuses the settings.
        """
        return self._send("PUT", "/_local/faults", settings)

    def clear_faults(self) -> dict[str, Any]:
        """Switch all faults off.

        Raises:
            FatalError: When no local Bedrock server answers.
        """
        return self._send("DELETE", "/_local/faults")

    def stats(self) -> dict[str, Any]:
        """What the server did so far.

        Raises:
            FatalError: When no local Bedrock server answers.
        """
        return self._send("GET", "/_local/stats")

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if not is_local_server(self._url):
            raise FatalError(
                f"no local Bedrock server answers at {self._url}, and faults exist only there: run `make up`"
            )
        try:
            answer = httpx.request(method, self._url + path, json=body, timeout=_TIMEOUT_SECONDS, trust_env=False)
            value: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise FatalError(f"the local Bedrock server at {self._url} did not answer: {error}") from error
        if answer.is_error:
            raise FatalError(f"the local Bedrock server refuses that: {value.get('message', answer.status_code)}")
        return value
