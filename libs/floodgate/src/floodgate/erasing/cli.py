"""`floodgate erase`: where a person's data stand, their removal, and the date by which the rest is gone."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from keyflow.errors import FatalError
from rich.console import Console

from floodgate.erasing.erasure import Erasure, Report
from floodgate.erasing.kafka_places import KafkaPlaces
from floodgate.erasing.own_stores import own_stores
from floodgate.erasing.planning import Person
from floodgate.erasing.requests import Requests
from floodgate.erasing.stores import installed
from floodgate.events import Pseudonyms
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings, PrivacySettings, RegistrySettings, load

_ONLY_DATED: Final = 3


def erase(
    contact_id: Annotated[str, typer.Argument(help="Pseudonym of the person.")] = "",
    *,
    conversation: Annotated[list[str] | None, typer.Option(help="Conversation with its channel: intercom:123.")] = None,
    person: Annotated[
        list[str] | None, typer.Option(help="Id from outside: customer:42, or the channel's own, intercom:65f0c1.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Remove what can be removed; audited.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="End with 1 if anything is left for good, with 3 if only until its date.")
    ] = False,
    words: Annotated[bool, typer.Option("--words", help="Search for lines of standard input as well.")] = False,
    inside: Annotated[
        list[Path] | None, typer.Option("--in", help="Files and folders of yours (JSON Lines, labels) to search too.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")] = "",
    wait_seconds: Annotated[float, typer.Option(min=0, help="How long services may take to forget.")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show where a person's data stand and by when they are gone; with --apply remove what does not go by itself.

    Never shows text. Topics keep what they hold until their retention ends: the date stands in the report. May be
    given again at any time: what is gone already changes nothing.
    """

    def say(line: str) -> None:
        if not as_json:
            typer.echo(line, err=True)

    kafka, serde = load(KafkaSettings), AvroSerde(load(RegistrySettings))
    pseudonyms = _pseudonyms()
    stores, missing = installed()
    own, unset = own_stores(pseudonyms, inside or [])
    requests = Requests(kafka, serde, actor=getpass.getuser(), reason=reason, now=datetime.now(UTC))
    erasure = Erasure(KafkaPlaces(kafka, lambda name: say(f"reading {name}")), serde, [*own, *stores], say)
    sought = erasure.sought(
        _person(contact_id, conversation or [], person or [], pseudonyms), _lines(sys.stdin.read() if words else "")
    )
    report = erasure.applied(sought, requests, wait_seconds) if apply else erasure.report(sought)
    unsearched = [*unset, *(f"what {name} keeps (not installed here)" for name in missing)]
    _show(report, unsearched, as_json=as_json)
    lasting = report.lasting(datetime.now(UTC))
    if (apply or verify) and (lasting or report.failures):
        raise typer.Exit(1)
    if verify and report.places:
        raise typer.Exit(_ONLY_DATED)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _pseudonyms() -> Pseudonyms | None:
    if not os.environ.get("FLOODGATE_PSEUDONYM_KEY") and not os.environ.get("FLOODGATE_SECRETS_DIR"):
        return None
    return Pseudonyms(load(PrivacySettings).pseudonym_key.get_secret_value().encode())


def _person(contact_id: str, conversations: list[str], outside: list[str], pseudonyms: Pseudonyms | None) -> Person:
    contacts, ids = {contact_id} - {""}, set()
    if outside and pseudonyms is None:
        raise FatalError("--person: FLOODGATE_PSEUDONYM_KEY is not set; it makes the pseudonym of an id")
    for name in outside:
        namespace, separator, own = name.partition(":")
        if not separator or not own or pseudonyms is None:
            raise FatalError("--person: say whose id it is: customer:42, intercom:65f0c1")
        contacts.add(pseudonyms.contact_id(namespace, own))
        ids.add((namespace, own))
    if contact_id and pseudonyms is not None:
        ids |= _revealed(contact_id, pseudonyms)
    meant = Person(frozenset(contacts), outside=frozenset(ids))
    for conversation_id in conversations:
        meant = meant.with_key("conversation_id", conversation_id)
    if not meant.ids:
        raise FatalError("whom? Name a CONTACT_ID, --person or --conversation")
    return meant


def _revealed(contact_id: str, pseudonyms: Pseudonyms) -> set[tuple[str, str]]:
    try:
        return {pseudonyms.reveal(contact_id)}
    except ValueError:
        return set()  # made by hand in a test, or with a key of old: what is found by the pseudonym is found


def _show(report: Report, unsearched: Sequence[str], *, as_json: bool) -> None:
    facts = {**report.facts(datetime.now(UTC)), "not_searched": list(unsearched)}
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    console = Console(soft_wrap=True)
    for place in facts["places"]:
        when = f"gone by {place['gone_by']}" if place["gone_by"] else "no date"
        console.print(
            f"{place['place']:<40} {place['count']:>6}  {when}  {place['note']}", highlight=False, markup=False
        )
    for failure in report.failures:
        console.print(f"failed: {failure}; give the command again", highlight=False, markup=False)
    by = facts["gone_by"]
    end = f"nothing is left after {by}" if by and not facts["lasting"] else f"{facts['lasting']} places without a date"
    console.print(
        f"{facts['conversations']} conversations, {len(facts['places'])} places; "
        f"{end if facts['places'] else 'nothing is left'}",
        highlight=False,
    )
    if unsearched:
        console.print(f"not searched: {'; '.join(unsearched)} (docs/privacy.md)", highlight=False)
