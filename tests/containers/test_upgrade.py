"""A rolling upgrade of the firewall and the way back, under load: across one version of a schema, of the state and of
the offset map. The next version is made of this one by `next_version.py`."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import docker
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from containers.next_version import AVRO_FIELD, FIELD
from containers.own_images import build
from faults.services.site import Site
from floodgate.events.topics import schema
from support.fleet import Slot
from support.processes import eventually

# The first test waits for images and cluster, which take their own time.
pytestmark = pytest.mark.timeout(600, func_only=True)

SUBJECT = "support.verdicts-value"


@pytest.fixture(scope="module")
def next_version(images: tuple[str, ...], engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("next")
    shutil.copy(Path(__file__).with_name("next_version.py"), folder)
    lines = ("FROM floodgate/firewall:latest", "USER 0", "COPY next_version.py /", "RUN python /next_version.py")
    (folder / "Dockerfile").write_text("\n".join((*lines, "USER 10001:10001", "")), encoding="utf-8")
    build("floodgate/firewall:next", folder)
    return "next"


def test_a_rolling_upgrade_and_the_way_back_lose_and_double_nothing(site: Site, next_version: str) -> None:
    new_id = _register_next(site)
    with site.round("upgrade") as round_:
        first, second = site.fleet.slots["firewall-0"], site.fleet.add("firewall", 1)
        site.fleet.await_ready([second])
        site.await_progress(3)
        for offset_map in ("1", "2"):
            _roll(site, [first, second], next_version, offset_map)
        # With load on it, the second format is what is committed; whoever dies now leaves it to the next.
        eventually(lambda: _has_map(site, "k2:"), "no second map was committed", 120)
        round_.kill(first)
        round_.kill(second)
        site.fleet.await_ready([first, second])
        _roll(site, [first, second], next_version, "1")
        _roll(site, [first, second], "latest", "1")
        site.fleet.remove(second)
    journal = site.reader.read(round_.begins)
    writers = Counter(int.from_bytes((entry.value or b"")[1:5], "big") for entry in journal.of("support.verdicts"))
    assert len(writers) == 2, f"both versions of the schema were to be written: {writers}"
    assert writers[new_id] > 0
    states = [FIELD.encode() in (entry.value or b"") for entry in journal.of("support.firewall.state")]
    assert set(states) == {True, False}, "both versions of the state were to be written"


def _register_next(site: Site) -> int:
    """The deploy step of the next version: its schema, before any instance of it."""
    known = schema("Verdict")
    text = Schema(json.dumps({**known, "fields": [*known["fields"], AVRO_FIELD]}), "AVRO")
    with SchemaRegistryClient({"url": site.env["FLOODGATE_SCHEMA_REGISTRY_URL"]}) as client:
        return int(client.register_schema(SUBJECT, text))


def _roll(site: Site, slots: list[Slot], tag: str, offset_map: str) -> None:
    """One instance after the other, as an orchestrator replaces them; between them both versions work."""
    for slot in slots:
        slot.process.tag = tag  # type: ignore[attr-defined]
        slot.process.env["OFFSET_MAP"] = offset_map
        starts = slot.starts
        site.fleet.terminate(slot)
        eventually(lambda slot=slot, starts=starts: slot.starts > starts, f"{slot.label} does not leave")  # type: ignore[misc]
        site.fleet.await_ready([slot])
        site.await_progress(2)


def _has_map(site: Site, prefix: str) -> bool:
    return any(text.startswith(prefix) for _, text in site.reader.committed()["firewall"].values())
