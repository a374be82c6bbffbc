"""What people change outside the dead-letter desk: judgements, unmasking, exports."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter
from floodgate.events import FeedbackLabel
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.domain import impact
from console.domain.access import Role
from console.domain.spans import DEFAULT_SPAN
from console.gathering import Gathering
from console.http.routes import Pages
from console.http.security import RefusedError, field
from console.recording import Recorder


class Changes:
    """The routes.

    Args:
        pages: Knows who asks, and shows.
        gathering: What there is.
        recorder: Writes down.
    """

    def __init__(self, pages: Pages, gathering: Gathering, recorder: Recorder) -> None:
        self._pages = pages
        self._gathering = gathering
        self._recorder = recorder

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter()
        router.add_api_route("/conversation/unmask", self.unmask, methods=["POST"])
        router.add_api_route("/conversation/feedback", self.feedback, methods=["POST"])
        router.add_api_route("/impact.csv", self.impact_csv, methods=["GET"])
        return router

    async def unmask(self, request: Request) -> Response:
        """Shows one conversation's texts, once, after writing down who wanted to see them and why."""
        person, form = await self._pages.form(request, Role.REVIEWER)
        name, reason = field(form, "id"), field(form, "reason")
        if not reason:
            raise RefusedError(422, "Say why you need to see it: the reason is kept in the audit.")
        view = await self._gathering.conversation(name, unmask=True)
        if not view["hops"]:
            raise RefusedError(404, "There is no such conversation.")
        await self._recorder.audit(person.name, "unmask", name, reason)
        return self._pages.show(request, "conversation", person, view)

    async def feedback(self, request: Request) -> Response:
        """Takes a reviewer's judgement."""
        person, form = await self._pages.form(request, Role.REVIEWER)
        name, path = field(form, "id"), field(form, "should_be")
        try:
            label = FeedbackLabel(field(form, "label"))
            verdict = UUID(field(form, "verdict"))
            if path and path not in self._gathering.path_titles():
                raise ValueError("should_be: that path is not in the catalogue")
            wrong = label is FeedbackLabel.WRONG_PATH
            await self._recorder.feedback(person.name, name, verdict, label, path if wrong else None)
        except ValueError as error:
            raise RefusedError(422, str(error)) from error
        details = {"label": label.value, "should_be": path if wrong else "", "verdict": str(verdict)}
        await self._recorder.audit(person.name, "feedback", name, "", details)
        request.session["flash"] = "Thank you: your judgement is kept and will be used to measure the firewall."
        return RedirectResponse(f"/conversation?{urlencode({'id': name})}", 303)

    async def impact_csv(self, request: Request) -> Response:
        """The impact page as a table."""
        self._pages.person(request)
        board = await self._gathering.impact(DEFAULT_SPAN, datetime.now(UTC))
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(("figure", "value"))
        writer.writerows(impact.rows(board))
        headers = {"Content-Disposition": 'attachment; filename="floodgate-impact.csv"'}
        return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)
