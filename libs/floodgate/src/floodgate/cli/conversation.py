"""`floodgate conversation`: one conversation over all topics."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from keyflow.errors import FatalError
from rich.console import Console
from rich.markup import escape

from floodgate.catalogue.audit import AUDIT
from floodgate.event_producer import EventProducer
from floodgate.events import AuditEntry, edge_event_id
from floodgate.events.serde import AvroSerde
from floodgate.events.times import from_ms, now_ms
from floodgate.settings import KafkaSettings, RegistrySettings, load
from floodgate.timeline import Hop, TopicReader, hops, totals


def conversation(
    conversation_id: Annotated[str, typer.Argument(help="Id with its channel: intercom:123, rest:abc.")],
    unmask: Annotated[
        bool, typer.Option("--unmask", help="Show what was said. This is written to support.audit.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show a conversation's timeline: what each service decided, how long it took and what it cost."""
    settings, serde = load(KafkaSettings), AvroSerde(load(RegistrySettings))
    timeline = hops(TopicReader(settings, serde).conversation(conversation_id), unmask=unmask)
    if not timeline:
        raise FatalError(f"no topic has a record of {conversation_id}: the id carries its channel, intercom:123 say")
    if unmask:
        audit_unmasking(settings, serde, f"conversation {conversation_id}", reason)
    if as_json:
        facts = {
            "conversation_id": conversation_id,
            "totals": totals(timeline),
            "hops": [asdict(hop) for hop in timeline],
        }
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    console = Console(soft_wrap=True)
    for line in (line for hop in timeline for line in _lines(hop, unmask=unmask)):
        console.print(line, highlight=False)
    summed = totals(timeline)
    console.print(
        f"{summed['hops']} records in {_duration(summed['span_ms'])}; {summed['calls']} model calls, "
        f"{summed['input_tokens']} tokens in, {summed['output_tokens']} out, ${summed['cost_usd']:.6f}",
        highlight=False,
    )


def audit_unmasking(settings: KafkaSettings, serde: AvroSerde, target: str, reason: str) -> None:
    """Writes down who saw what a person said, before it is shown.

    Raises:
        KeyflowError: Kafka does not take the entry: nothing must be shown then.
    """
    at_ms, actor = now_ms(), getpass.getuser()
    entry = AuditEntry(
        event_id=edge_event_id("unmask", f"{actor}:{target}:{at_ms}"),
        occurred_at=from_ms(at_ms),
        actor=actor,
        action="unmask",
        target=target,
        reason=reason,
    )

    async def send() -> None:
        producer = EventProducer(settings, serde)
        try:
            await producer.send(AUDIT, entry.target, entry)
        finally:
            await producer.close()

    asyncio.run(send())


def _lines(hop: Hop, *, unmask: bool) -> Iterator[str]:
    at = datetime.fromtimestamp(hop.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    took = [f"after {_duration(hop.latency_ms)}"] if hop.latency_ms is not None else []
    took += [f"took {_duration(hop.elapsed_ms)}"] if hop.elapsed_ms else []
    if hop.calls:
        took += [f"{hop.input_tokens}+{hop.output_tokens} tokens", f"${hop.cost_usd:.6f}"]
    took += [text for name, text in hop.versions.items() if name != "service"]
    yield f"{at}  [bold]{hop.service:<10}[/] {hop.what}" + (f"  [dim]{', '.join(took)}[/]" if took else "")
    if particulars := _particulars(hop, unmask=unmask):
        yield f"    {escape(particulars)}"


def _particulars(hop: Hop, *, unmask: bool) -> str:
    facts: dict[str, Any] = {name: value for name, value in hop.facts.items() if name != "citations"}
    if hop.facts.get("citations"):
        facts["citations"] = len(hop.facts["citations"])
    said = hop.record.get("text") or (hop.record.get("reply") or {}).get("text") or hop.record.get("summary")
    if unmask and said:
        facts["said"] = said
    return ", ".join(f"{name}={value}" for name, value in facts.items())


def _duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return ""
    return f"{milliseconds:.0f} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:.1f} s"
