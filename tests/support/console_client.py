"""A running console, as tests speak to it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

SECRET = "a-secret-between-proxy-and-console"


@dataclass(frozen=True)
class Console:
    """A running console."""

    url: str
    index: str
    opensearch: str

    def headers(self, user: str = "mila", groups: str = "floodgate-operators") -> dict[str, str]:
        return {"X-Console-Proxy-Secret": SECRET, "X-Forwarded-User": user, "X-Forwarded-Groups": groups}

    def client(self, user: str = "mila", groups: str = "floodgate-operators") -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=self.headers(user, groups), timeout=30.0)


def csrf(page: str) -> str:
    """The token of a page's forms."""
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found, "the page has no form"
    return found[1]


def until(what: Callable[[], bool], seconds: float = 30.0) -> None:
    """Waits for something to become true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.1)
