"""The dead-letter desk: look, unmask, correct, rehearse, send back, give up."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Protocol
from urllib.parse import urlencode
from uuid import UUID, uuid4

from fastapi import APIRouter, Query
from floodgate.deadletters.masking import fingerprint, masked
from floodgate.events import DeadLetter
from keyflow.errors import FatalError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.adapters.dead_letter_desk import DeadLetterDesk, one
from console.domain import letters as domain
from console.domain.access import Person, Role
from console.domain.documents import Document
from console.domain.letters import Proposal
from console.domain.spans import counts, sources, total
from console.gathering import Gathering
from console.http.forms import form_of
from console.http.routes import Pages
from console.http.security import Form, RefusedError, field
from console.recording import Recorder
from console.redriving import RedriveJobs
from console.settings import ConsoleSettings

_STATES: Final = ("open", "redriven", "discarded", "all")
_AT_MOST: Final = 10_000

Short = Annotated[str, Query(max_length=80)]
Line = Annotated[str, Query(max_length=600)]


class Proposals(Protocol):
    """What waits for a second person."""

    async def put(self, proposal: Proposal) -> None: ...

    async def get(self, proposal_id: str) -> Proposal | None: ...

    async def all(self) -> list[Proposal]: ...

    async def drop(self, proposal_id: str) -> bool: ...


class Desk:
    """The routes.

    Args:
        pages: Knows who asks, and shows.
        gathering: Has the projection.
        recorder: Writes down.
        desk: Sends back.
        proposals: Keeps what waits for a second person.
        jobs: Sends many back.
        settings: Rates, and which services need a second person.
    """

    def __init__(
        self,
        pages: Pages,
        gathering: Gathering,
        recorder: Recorder,
        *,
        desk: DeadLetterDesk,
        proposals: Proposals,
        jobs: RedriveJobs,
        settings: ConsoleSettings,
    ) -> None:
        self._pages = pages
        self._projection = gathering.projection
        self._recorder = recorder
        self._desk = desk
        self._records = gathering.records
        self._settings = settings
        self._proposals = proposals
        self._jobs = jobs

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter()
        router.add_api_route("/dead-letters", self.overview, methods=["GET"])
        router.add_api_route("/dead-letter", self.letter, methods=["GET"])
        group = form_of("reason", "service", optional=domain.MEMBERS[1:])
        for path, handler, fields in (
            ("/dead-letters/redrive", self.redrive_group, group),
            ("/dead-letters/confirm", self.confirm, form_of("proposal")),
            ("/dead-letters/withdraw", self.withdraw, form_of("proposal")),
            ("/dead-letter/unmask", self.unmask, form_of("id", "reason")),
            ("/dead-letter/check", self.check, form_of("id", "corrected")),
            ("/dead-letter/rehearse", self.rehearse, form_of("id", optional=("corrected",))),
            ("/dead-letter/redrive", self.redrive, form_of("id", "reason", optional=("corrected",))),
            ("/dead-letter/discard", self.discard, form_of("id", "reason")),
        ):
            router.add_api_route(path, handler, methods=["POST"], openapi_extra=fields)
        return router

    async def overview(
        self,
        request: Request,
        *,
        state: Annotated[str, Query(max_length=20)] = "open",
        service: Short = "",
        error_class: Short = "",
        reason_line: Line = "",
        version: Short = "",
        language: Short = "",
    ) -> Response:
        """Groups, or the letters of one."""
        person = self._pages.person(request)
        state = state if state in _STATES else "open"
        said = (service, error_class, reason_line, version, language)
        chosen = dict(zip(domain.MEMBERS, said, strict=True))
        all_groups, states, found = await self._projection.search(
            domain.groups(state), domain.states(), domain.members(state, **chosen)
        )
        view = {
            "state": state,
            "states": {name: counts(states, "states").get(name, 0) for name in _STATES[:-1]},
            "groups": domain.grouped(all_groups),
            "chosen": chosen if any(chosen.values()) else None,
            "letters": sources(found),
            "letters_total": total(found),
            "proposals": await self._proposals.all(),
            "jobs": list(self._jobs.known),
            "per_second": self._settings.redrive_per_second,
            "second_person": domain.needs_second_person(service, self._settings.two_person_services),
        }
        return self._pages.show(request, "letters", person, view)

    async def letter(self, request: Request, id: Annotated[str, Query(max_length=80)]) -> Response:
        """One letter, masked."""
        person = self._pages.person(request)
        return await self._shown(request, person, id)

    async def unmask(self, request: Request) -> Response:
        """Shows the payload, once, after writing down who wanted to see it and why; it can be corrected then."""
        person, form = await self._pages.form(request, Role.OPERATOR)
        reason = _reason(form, "Say why you need to see it: the reason is kept in the audit.")
        document, letter = await self._found(field(form, "id"))
        await self._recorder.audit(person.name, "unmask", document["event_id"], reason)
        payload = self._desk.payload(letter)
        text = json.dumps(payload, indent=2, ensure_ascii=False) if payload is not None else _text(letter)
        return await self._shown(request, person, document["event_id"], unmask=True, edited=text)

    async def check(self, request: Request) -> Response:
        """Checks a correction against the schema and shows what it changes."""
        person, form = await self._pages.form(request, Role.OPERATOR)
        document, letter = await self._found(field(form, "id"))
        edited = field(form, "corrected")
        problem, lines = "", []
        try:
            self._desk.corrected(letter, edited)
            lines = domain.difference(self._desk.payload(letter), json.loads(edited))
        except FatalError as error:
            problem = str(error)
        more = {"unmask": True, "edited": edited, "problem": problem, "difference": lines, "checked": not problem}
        return await self._shown(request, person, document["event_id"], **more)

    async def rehearse(self, request: Request) -> Response:
        """Runs today's code on the letter and says what would happen."""
        person, form = await self._pages.form(request, Role.OPERATOR)
        document, letter = await self._found(field(form, "id"))
        edited = field(form, "corrected")
        facts, problem = await self._desk.rehearse(document["event_id"], edited)
        more: dict[str, Any] = {"rehearsal": facts, "problem": problem}
        if edited:
            lines = [] if problem else domain.difference(self._desk.payload(letter), json.loads(edited))
            more |= {"unmask": True, "edited": edited, "difference": lines, "checked": not problem}
        return await self._shown(request, person, document["event_id"], **more)

    async def redrive(self, request: Request) -> Response:
        """Sends one letter back, corrected or as it is; where money may move, asks a second person."""
        person, form = await self._pages.form(request, Role.OPERATOR)
        reason = _reason(form, "Say why it can go back now.")
        document, letter = await self._found(field(form, "id"))
        edited = field(form, "corrected")
        corrected = self._corrected(letter, edited) if edited else None
        if domain.needs_second_person(letter.service, self._settings.two_person_services):
            return await self._propose(
                request, person, [document["event_id"]], service=letter.service, reason=reason, edited=edited
            )
        result = await asyncio.to_thread(
            lambda: self._desk.redrive([letter], actor=person.name, reason=reason, corrected=corrected)
        )
        request.session["flash"] = _told(result.sent, result.kept)
        return _back(document["event_id"])

    async def discard(self, request: Request) -> Response:
        """Gives a letter up."""
        person, form = await self._pages.form(request, Role.OPERATOR)
        reason = _reason(form, "Say why nothing is to be done with it.")
        document, letter = await self._found(field(form, "id"))
        result = await asyncio.to_thread(lambda: self._desk.discard([letter], actor=person.name, reason=reason))
        request.session["flash"] = _told(result.sent, result.kept)
        return _back(document["event_id"])

    async def redrive_group(self, request: Request) -> Response:
        """Sends a group back at a steady rate; where money may move, asks a second person."""
        person, form = await self._pages.form(request, Role.OPERATOR)
        reason = _reason(form, "Say why they can go back now.")
        chosen = {name: field(form, name) for name in domain.MEMBERS}
        if not chosen["service"]:
            raise RefusedError(422, "Letters go back to one service at a time: choose a group first.")
        query = {**domain.members("open", **chosen), "size": _AT_MOST, "_source": ["event_id"]}
        names = [found["event_id"] for found in sources((await self._projection.search(query))[0])]
        if not names:
            raise RefusedError(409, "None of them is open any more.")
        if domain.needs_second_person(chosen["service"], self._settings.two_person_services):
            return await self._propose(request, person, names, service=chosen["service"], reason=reason, edited="")
        self._jobs.order(names, chosen["service"], person.name, reason)
        request.session["flash"] = f"{len(names)} letters go back to {chosen['service']} now."
        return RedirectResponse("/dead-letters", 303)

    async def confirm(self, request: Request) -> Response:
        """A second person lets what was asked for happen."""
        person, form = await self._pages.form(request, Role.OPERATOR)
        proposal = await self._proposals.get(_proposal_id(form))
        if proposal is None:
            raise RefusedError(409, "It was confirmed or withdrawn meanwhile.")
        if not domain.may_confirm(proposal, person.name):
            raise RefusedError(403, "A second person has to confirm what you asked for.")
        if not await self._proposals.drop(proposal.proposal_id):
            raise RefusedError(409, "It was confirmed or withdrawn meanwhile.")
        details = {"asked_by": proposal.asked_by, "letters": str(len(proposal.letter_ids)), "service": proposal.service}
        await self._recorder.audit(person.name, "confirm_redrive", proposal.letter_ids[0], proposal.reason, details)
        actor, reason = f"{proposal.asked_by}+{person.name}", proposal.reason
        if not proposal.corrected:
            self._jobs.order(proposal.letter_ids, proposal.service, actor, reason)
            request.session["flash"] = f"Confirmed: {len(proposal.letter_ids)} go back to {proposal.service} now."
            return RedirectResponse("/dead-letters", 303)
        letter = one(await asyncio.to_thread(self._desk.letters, proposal.letter_ids))
        corrected = self._corrected(letter, proposal.corrected)
        result = await asyncio.to_thread(
            lambda: self._desk.redrive([letter], actor=actor, reason=reason, corrected=corrected)
        )
        request.session["flash"] = _told(result.sent, result.kept)
        return _back(proposal.letter_ids[0])

    async def withdraw(self, request: Request) -> Response:
        """Takes back what was asked for."""
        person, form = await self._pages.form(request, Role.OPERATOR)
        proposal = await self._proposals.get(_proposal_id(form))
        if proposal is not None and await self._proposals.drop(proposal.proposal_id):
            await self._recorder.audit(person.name, "withdraw_redrive", proposal.letter_ids[0], "", {})
        return RedirectResponse("/dead-letters", 303)

    def _corrected(self, letter: DeadLetter, edited: str) -> bytes:
        try:
            return self._desk.corrected(letter, edited)
        except FatalError as error:
            raise RefusedError(422, str(error)) from error

    async def _propose(
        self, request: Request, person: Person, names: list[str], *, service: str, reason: str, edited: str
    ) -> Response:
        proposal = Proposal(str(uuid4()), names, service, reason, person.name, datetime.now(UTC), edited)
        details = {"letters": str(len(names)), "service": service}
        if edited:
            details["corrected_sha256"] = hashlib.sha256(edited.encode()).hexdigest()
        await self._recorder.audit(person.name, "ask_redrive", names[0], reason, details)
        await self._proposals.put(proposal)
        request.session["flash"] = "Asked for: what goes back there may move money, so a second person confirms it."
        return RedirectResponse("/dead-letters", 303)

    async def _found(self, letter_id: str) -> tuple[Document, DeadLetter]:
        """A letter as the projection and as Kafka have it.

        Raises:
            RefusedError: It is gone.
        """
        document = await self._projection.get(letter_id)
        if document is None or document["topic"] != "support.dead-letters":
            raise RefusedError(404, "There is no such dead letter; letters are kept for 90 days.")
        letter = await asyncio.to_thread(self._records.letter, document["partition"], document["offset"])
        if letter is None:
            raise RefusedError(404, "The letter is not in the topic any more; letters are kept for 90 days.")
        return document, letter

    async def _shown(self, request: Request, person: Person, letter_id: str, **more: Any) -> Response:
        document, letter = await self._found(letter_id)
        unmask = bool(more.pop("unmask", False))
        destination = self._desk.destination(letter)
        warning = ""
        if document.get("conversation_id") and document.get("state") == "open":
            query = domain.later_events(document["conversation_id"], int(document["written_at"]))
            [later] = await self._projection.search(query)
            warning = domain.moved_on(counts(later, "topics"), counts(later, "kinds"))
        payload = self._desk.payload(letter)
        view = {
            "letter": document,
            "payload": payload if unmask else masked(payload),
            "payload_bytes": fingerprint(letter.value),
            "raw_output": _raw_output(letter, unmask=unmask),
            "headers": {header.key: len(header.value or b"") for header in letter.headers},
            "destination": destination,
            "warning": warning,
            "second_person": domain.needs_second_person(letter.service, self._settings.two_person_services),
            "unmasked": unmask,
            "edited": "",
            "problem": "",
            "difference": [],
            "checked": False,
            "rehearsal": None,
            **more,
        }
        return self._pages.show(request, "letter", person, view)


def _raw_output(letter: DeadLetter, *, unmask: bool) -> str:
    if letter.raw_output is None:
        return ""
    return letter.raw_output if unmask else f"{len(letter.raw_output)} characters, hidden"


def _text(letter: DeadLetter) -> str:
    return (letter.value or b"").decode(errors="replace")


def _reason(form: Form, remedy: str) -> str:
    reason = field(form, "reason")
    if not reason:
        raise RefusedError(422, remedy)
    return reason[:500]


def _proposal_id(form: Form) -> str:
    try:
        return str(UUID(field(form, "proposal")))
    except ValueError as error:
        raise RefusedError(422, "Choose what to confirm from the page.") from error


def _told(sent: Any, kept: Any) -> str:
    if sent:
        return "Given up." if sent[0].given_up else f"It went back to {sent[0].letter.service}."
    return f"It stays: {kept[0].refusal}" if kept else "Nothing was done."


def _back(letter_id: str) -> Response:
    return RedirectResponse(f"/dead-letter?{urlencode({'id': letter_id})}", 303)
