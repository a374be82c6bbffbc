"""Every service that keeps something outside of Kafka says so itself."""

from __future__ import annotations

import json
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from agent.domain.ledger import Entry, Page
from agent.erasing import CountedActions
from floodgate.catalogue.blobs import DirectoryBlobs
from floodgate.erasing.erasure import Report
from floodgate.erasing.kafka_places import state_services
from floodgate.erasing.planning import Needles, Person, Place, Sought
from floodgate.erasing.stores import OWNERS, STORES
from floodgate.events.times import from_ms
from ingest.erasing import names_contact

ROOT = Path(__file__).parents[3]


def sought(**known: Any) -> Sought:
    person = Person(**{name: frozenset(values) for name, values in known.items()})
    return Sought(person, Needles(person.ids))


@pytest.mark.parametrize("owner", OWNERS)
def test_an_owner_declares_its_stores(owner: str) -> None:
    declared = tomllib.loads((ROOT / "services" / owner / "pyproject.toml").read_text("utf-8"))
    module, _, function = declared["project"]["entry-points"][STORES][owner].partition(":")
    assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize(
    ("line", "theirs"),
    [
        ({"contact": {"external_id": "42"}}, True),
        ({"contact": {"external_id": "421"}}, False),
        ({"contact": {"id": "42"}}, False),
        ({"contact": {"id": "7"}, "channel": "phone"}, True),
        ({"contact": {"id": "7"}, "channel": "chat"}, False),
        ({"interaction_id": "0d0d0d0d-1111", "turns": []}, True),
        ({"text": "42"}, False),
        ([], False),
    ],
)
def test_a_dropped_line_is_theirs_by_its_contact_or_by_an_id(line: Any, theirs: bool) -> None:
    whose = sought(outside=[("customer", "42"), ("phone", "7")], interactions=["0d0d0d0d-1111"])
    assert names_contact(json.dumps(line).encode(), whose) is theirs


def test_counted_actions_of_one_go_and_those_of_others_stay(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    mine, other = Entry(key="a", user="pseudonym-a", at_ms=1), Entry(key="b", user="pseudonym-ab", at_ms=2)
    blobs.write("limits/2026-11-23/refund.json", Page(entries=(mine, other)).model_dump_json().encode())
    store = CountedActions(lambda: blobs)
    [place] = store.look(sought(contacts=["pseudonym-a"]))
    assert place.count == 1
    store.erase(sought(contacts=["pseudonym-a"]))
    assert store.look(sought(contacts=["pseudonym-a"])) == []
    kept = blobs.read("limits/2026-11-23/refund.json")
    assert kept is not None
    assert Page.model_validate_json(kept.body).entries == (other,)


def test_owners_of_state_are_asked_where_their_dead_letters_come_back() -> None:
    standing = {
        "support.agent.state": frozenset({"rest:1"}),
        "support.firewall.state": frozenset(),
        "support.modes": frozenset({"all"}),
    }
    assert state_services({k: frozenset(v) for k, v in standing.items()}) == {
        "support.agent.redrive": frozenset({"rest:1"})
    }


def test_the_report_has_the_latest_date_and_tells_what_has_none() -> None:
    now = from_ms(0)
    report = Report(
        Person(), [Place("a", 1, from_ms(86_400_000)), Place("b", 2, from_ms(5 * 86_400_000)), Place("c", 1)]
    )
    assert report.facts(now)["gone_by"] == "1970-01-06"
    assert [place.name for place in report.lasting(now)] == ["c"]
    assert [place.name for place in report.lasting(from_ms(2 * 86_400_000))] == ["a", "c"]
