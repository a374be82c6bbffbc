"""What people change outside the dead-letter desk: judgements, unmasking, exports."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter
from floodgate.events import ApprovalDecision, FeedbackLabel, SwitchMode
from floodgate.modes import EVERYTHING
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.domain import impact
from console.domain.access import Role
from console.domain.spans import DEFAULT_SPAN
from console.gathering import Gathering
from console.http.forms import form_of
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
        judged = form_of("id", "verdict", "label", optional=("should_be",))
        decided = form_of("proposal", "decision", optional=("reason",))
        for path, handler, fields in (
            ("/conversation/unmask", self.unmask, form_of("id", "reason")),
            ("/conversation/feedback", self.feedback, judged),
            ("/mode", self.mode, form_of("target", "mode", "reason")),
            ("/approval", self.approval, decided),
        ):
            router.add_api_route(path, handler, methods=["POST"], openapi_extra=fields)
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

    async def mode(self, request: Request) -> Response:
        """Limits automation, everywhere or in one category; services take it over within seconds."""
        person, form = await self._pages.form(request, Role.OPERATOR)
        target, reason = field(form, "target"), field(form, "reason")
        titles = {EVERYTHING: "Everything", **self._gathering.category_titles()}
        if target not in titles:
            raise RefusedError(422, "There is no such category.")
        try:
            mode = SwitchMode(field(form, "mode"))
            await self._recorder.mode(person.name, target, mode, reason)
        except ValueError as error:
            raise RefusedError(422, str(error)) from error
        said = "has no limit any more" if mode is SwitchMode.ON else f"may do at most: {mode.value}"
        request.session["flash"] = f"{titles[target]} {said}. Services take it over within 10 seconds."
        return RedirectResponse("/", 303)

    async def approval(self, request: Request) -> Response:
        """Decides about an action that a workflow proposes."""
        person, form = await self._pages.form(request, Role.OPERATOR)
        proposal_id = field(form, "proposal")
        waiting = {one["proposal_id"]: one for one in await self._gathering.proposals()}
        if proposal_id not in waiting:
            raise RefusedError(409, "It was decided or has expired meanwhile.")
        try:
            decision = ApprovalDecision(field(form, "decision"))
        except ValueError as error:
            raise RefusedError(422, "Say approve or reject.") from error
        if decision not in (ApprovalDecision.APPROVE, ApprovalDecision.REJECT):
            raise RefusedError(422, "Say approve or reject.")
        conversation = waiting[proposal_id]["conversation_id"]
        await self._recorder.approval(person.name, conversation, UUID(proposal_id), decision, field(form, "reason"))
        request.session["flash"] = (
            "Approved: the agent does it now." if decision is ApprovalDecision.APPROVE else "Rejected."
        )
        return RedirectResponse("/agent", 303)

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
