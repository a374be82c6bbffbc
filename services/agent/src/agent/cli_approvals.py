"""`floodgate workflows approvals list | approve | reject`: what waits for a person, and the person's word."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from floodgate.committed import CommittedRecords
from floodgate.events import Approval, ApprovalDecision, AvroModel, Proposal, ProposalMode, derive_event_id
from floodgate.events.serde import AvroSerde
from floodgate.service import EventProducer
from floodgate.settings import KafkaSettings, RegistrySettings, load
from rich.console import Console
from rich.table import Table

from agent.domain.proposals import described
from agent.expiring import APPROVALS, PROPOSALS, Pending

app = typer.Typer(help="Actions that wait for a person: list them, approve or reject.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Identity = Annotated[str, typer.Argument(help="Id of the proposal, or its beginning.")]
_SHORT: Final = 8


@app.command("list")
def list_command(
    *,
    as_json: AsJson = False,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="What was computed in shadow instead; a word on that is evidence.")
    ] = False,
) -> None:
    """List what waits, the oldest first."""
    found = sorted(_proposals(shadow=shadow).values(), key=lambda proposal: proposal.occurred_at)
    if as_json:
        typer.echo(json.dumps([shown(proposal) for proposal in found], ensure_ascii=False, indent=2))
        return
    if not found:
        typer.echo("nothing has been computed in shadow" if shadow else "nothing waits for approval")
        return
    table = Table("proposal", "since", "until", "category", "team", "would do", "the user wants")
    for proposal in found:
        until = "" if proposal.expires_at is None else f"{proposal.expires_at:%m-%d %H:%M}"
        since = f"{proposal.occurred_at:%m-%d %H:%M}"
        did = described(proposal.action, proposal.arguments) if proposal.action else proposal.summary
        short = str(proposal.proposal_id)[:_SHORT]
        table.add_row(short, since, until, proposal.category or "", proposal.team or "", did, proposal.wants)
    Console().print(table)


@app.command()
def approve(proposal: Identity, *, reason: Annotated[str, typer.Option(help="Why.")] = "") -> None:
    """Approve: the agent does it within seconds, with the key that it was proposed with."""
    _decide(proposal, ApprovalDecision.APPROVE, reason)


@app.command()
def reject(proposal: Identity, *, reason: Annotated[str, typer.Option(help="Why; the colleague reads it.")]) -> None:
    """Reject: nothing is done, and the conversation is handed over to a human."""
    _decide(proposal, ApprovalDecision.REJECT, reason)


def approval_of(proposal: Proposal, decision: ApprovalDecision, *, actor: str, reason: str, at: datetime) -> Approval:
    """A person's word on a proposal; the same word of the same person is the same event."""
    return Approval(
        event_id=derive_event_id(proposal.proposal_id, f"{decision.value}:{actor}"),
        occurred_at=at,
        causation_id=proposal.event_id,
        conversation_id=proposal.conversation_id,
        proposal_id=proposal.proposal_id,
        decision=decision,
        actor=actor,
        reason=reason,
    )


def only(identity: str, proposals: Iterable[Proposal]) -> Proposal:
    """The proposal that an id or its beginning names.

    Raises:
        typer.BadParameter: There is none, or more than one.
    """
    found = [proposal for proposal in proposals if str(proposal.proposal_id).startswith(identity)]
    if len(found) != 1:
        what = "no proposal waits" if not found else f"{len(found)} proposals wait"
        raise typer.BadParameter(f"{what} whose id begins with {identity!r}: see floodgate workflows approvals list")
    return found[0]


def shown(proposal: Proposal) -> dict[str, Any]:
    """A proposal for machines."""
    members = {"proposal_id", "conversation_id", "mode", "status", "outcome", "workflow", "step", "category", "action"}
    more = {"arguments", "amount_cents", "summary", "wants", "slots", "team", "language", "occurred_at", "expires_at"}
    return proposal.model_dump(mode="json", include=members | more)


def _decide(identity: str, decision: ApprovalDecision, reason: str) -> None:
    proposal = only(identity, [*_proposals(shadow=False).values(), *_proposals(shadow=True).values()])
    word = approval_of(proposal, decision, actor=getpass.getuser(), reason=reason, at=datetime.now(UTC))
    asyncio.run(_send(word))
    done = "approved" if decision is ApprovalDecision.APPROVE else "rejected"
    note = " (it was computed in shadow: evidence only)" if proposal.mode is ProposalMode.SHADOW else ""
    typer.echo(f"{done}: {proposal.summary or described(proposal.action, proposal.arguments)}{note}")


async def _send(word: Approval) -> None:
    producer = EventProducer(load(KafkaSettings), AvroSerde(load(RegistrySettings)))
    try:
        await producer.send(APPROVALS, word.conversation_id, word)
    finally:
        await producer.close()


def _proposals(*, shadow: bool) -> dict[str, Proposal]:
    source = CommittedRecords("run `floodgate setup`", "approvals")
    records: list[AvroModel] = [record for _, _, record in source.of(PROPOSALS)]
    if shadow:
        return {str(p.proposal_id): p for p in records if isinstance(p, Proposal) and p.mode is ProposalMode.SHADOW}
    pending = Pending()
    pending.take(records)
    return pending.proposals
