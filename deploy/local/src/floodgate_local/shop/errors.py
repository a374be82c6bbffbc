"""The one way in which the shop refuses."""

from __future__ import annotations

from typing import Any


class ShopError(Exception):
    """A refusal with an HTTP status and a code that callers branch on."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message}}


def not_found() -> ShopError:
    """Also what someone else's belongings answer: the words must not tell the two apart."""
    return ShopError(404, "not_found", "There is nothing of that name for this customer.")
