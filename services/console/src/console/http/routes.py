"""Every page's address, who may open it, and what it gathers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from console.domain.access import Person, Role
from console.domain.spans import DEFAULT_SPAN, SPANS, Span
from console.gathering import Gathering
from console.http.rendering import Renderer
from console.http.security import Access, Form, RefusedError, checked_form, field

LIVE_SECONDS: Final = 0.1
_PING_EVERY: Final = 150

SpanName = Annotated[str, Query(alias="span", max_length=8)]
Text = Annotated[str, Query(max_length=200)]


class SignInNeededError(Exception):
    """Nobody is signed in."""


class Pages:
    """The pages that show. What changes things is in `changes` and `desk`.

    Args:
        access: Knows who asks.
        renderer: Shows.
        gathering: Where everything comes from.
    """

    def __init__(self, access: Access, renderer: Renderer, gathering: Gathering) -> None:
        self._access = access
        self._renderer = renderer
        self._gathering = gathering
        self._more: list[Callable[[], APIRouter]] = []

    def add(self, router: Callable[[], APIRouter]) -> None:
        """Further routes of the same application."""
        self._more.append(router)

    def projection_problem(self) -> str:
        """Why the projection stands still; empty while it runs."""
        return self._gathering.projector.problem

    def router(self) -> APIRouter:
        """All routes."""
        router = APIRouter()
        boards = {"/": "now", "/firewall": "firewall", "/agent": "agent", "/summaries": "summaries"}
        boards |= {"/knowledge": "knowledge", "/impact": "impact"}
        for path, name in boards.items():
            router.add_api_route(path, self._board(name), methods=["GET"], name=name)
        router.add_api_route("/conversations", self.conversations, methods=["GET"])
        router.add_api_route("/conversation", self.conversation, methods=["GET"])
        router.add_api_route("/topics", self.topics, methods=["GET"])
        router.add_api_route("/events", self.events, methods=["GET"])
        for more in self._more:
            router.include_router(more())
        return router

    def person(self, request: Request, role: Role = Role.VIEWER) -> Person:
        """Who asks, when they may.

        Raises:
            SignInNeededError: Nobody is signed in.
            RefusedError: They may not.
        """
        found = self._access.person(request)
        if found is None:
            raise SignInNeededError
        if not found.may(role):
            raise RefusedError(403, f"This is for the role {role.label}; you are {found.role.label}.")
        return found

    async def form(self, request: Request, role: Role) -> tuple[Person, Form]:
        """Who sends a form, and what it holds.

        Raises:
            RefusedError: They may not, or it is not their form.
        """
        return self.person(request, role), await checked_form(request)

    def show(self, request: Request, name: str, person: Person, view: dict[str, Any], status: int = 200) -> Response:
        """A page."""
        is_outdated = self._gathering.projector.is_outdated
        return self._renderer.page(request, name, person, {"is_outdated": is_outdated, **view}, status)

    def _board(self, name: str) -> Callable[..., Awaitable[Response]]:
        async def shown(request: Request, span: SpanName = DEFAULT_SPAN.name) -> Response:
            person = self.person(request)
            chosen = SPANS.get(span, DEFAULT_SPAN)
            view = await getattr(self._gathering, name)(chosen, datetime.now(UTC))
            return self.show(request, name, person, {"span": chosen, "spans": SPANS, **view})

        shown.__name__ = name
        return shown

    async def conversations(self, request: Request, q: Text = "") -> Response:
        """Search, and the newest conversations."""
        person = self.person(request)
        found = await self._gathering.conversations(q.strip(), texts=person.may(Role.REVIEWER))
        if len(found) == 1 and q.strip() in (
            found[0]["conversation_id"],
            found[0]["conversation_id"].partition(":")[2],
        ):
            return RedirectResponse(
                str(request.url_for("conversation").include_query_params(id=found[0]["conversation_id"])), 303
            )
        return self.show(request, "conversations", person, {"q": q, "found": found})

    async def conversation(self, request: Request, id: Annotated[str, Query(max_length=300)]) -> Response:
        """One conversation, masked."""
        person = self.person(request)
        view = await self._gathering.conversation(id, unmask=False)
        return self.show(request, "conversation", person, view, 200 if view["hops"] else 404)

    async def topics(
        self,
        request: Request,
        *,
        topic: Text = "",
        partition: Annotated[str, Query(max_length=6)] = "",
        offset: Annotated[str, Query(max_length=20)] = "",
        at: Annotated[str, Query(max_length=40)] = "",
        key: Text = "",
    ) -> Response:
        """Topics and their records, masked."""
        person = self.person(request)
        view = await self._gathering.topics(topic, partition=partition, offset=offset, at=at, key=key)
        return self.show(request, "topics", person, view)

    async def events(self, request: Request) -> Response:
        """Tells open pages that there is something new."""
        self.person(request)
        return StreamingResponse(self._ticks(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def _ticks(self) -> AsyncIterator[str]:
        seen, quiet = -1, 0
        while not self._gathering.stopping.is_set():
            version = self._gathering.version
            if version != seen:
                seen, quiet = version, 0
                yield f"event: changed\ndata: {version}\n\n"
            elif quiet >= _PING_EVERY:
                quiet = 0
                yield ": still here\n\n"
            quiet += 1
            await asyncio.sleep(LIVE_SECONDS)


def span_of(name: str) -> Span:
    """The span of this name, else the usual one."""
    return SPANS.get(name, DEFAULT_SPAN)


__all__ = ["Pages", "SignInNeededError", "field", "span_of"]
