from __future__ import annotations

import asyncio
import gzip
import json
import time
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from ingest.cli import app, intercom, parse_duration
from ingest.edge import EdgeWriter
from ingest.files import FileBatches
from ingest.intake import MAX_SHOWN_ERRORS, Intake, LineIntake
from ingest.settings import IngestSettings
from ingest_fakes import FakeSink, clock
from ingest_samples import PSEUDONYMS
from keyflow.errors import FatalError
from typer.testing import CliRunner

CONVERSATION = {"conversation_id": "c-1", "contact": {"id": "u-1"}, "messages": [{"text": "a"}, {"text": "b"}]}
INTERACTION = {
    "interaction_id": "3f0c9d3a-0f4e-4a69-9a53-0d2f0b3c4d5e",
    "turns": [{"role": "customer", "text": "Hello"}],
}


def line_intake(sink: FakeSink) -> LineIntake:
    return LineIntake(EdgeWriter(sink, "file"), PSEUDONYMS, clock, source="file", takes_conversations=True)


async def read(path: Path, sink: FakeSink, rate: float | None = None) -> tuple[Intake, list[int]]:
    progress: list[int] = []
    batches = FileBatches(path, rate, progress.append).batches()
    return await line_intake(sink).take_all(batches, f"file:{path.name}"), progress


async def test_a_file_may_mix_conversations_and_interactions_and_broken_lines(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    lines = [json.dumps(CONVERSATION), "", json.dumps(INTERACTION), "{broken", '{"turns": 1}', '{"messages": []}']
    path.write_text("\n".join(lines), encoding="utf-8")
    sink = FakeSink()
    intake, progress = await read(path, sink)
    assert (intake.lines, intake.conversations, intake.messages, intake.interactions) == (5, 1, 2, 1)
    assert [number for number, _ in intake.errors] == [4, 5, 6]
    assert len(sink.dead_letters) == intake.dead_letters == 3
    assert len(sink.on("support.messages")) == 2
    assert progress[-1] == path.stat().st_size


async def test_a_packed_file_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "packed.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(CONVERSATION).encode()))
    intake, _ = await read(path, FakeSink())
    assert intake.messages == 2


async def test_the_rate_bounds_how_fast_lines_are_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text("\n".join(json.dumps(CONVERSATION) for _ in range(100)), encoding="utf-8")
    slept: list[float] = []
    moment = time.monotonic()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: moment)
    monkeypatch.setattr("ingest.files.asyncio.sleep", sleep)
    intake, _ = await read(path, FakeSink(), rate=50)
    assert intake.lines == 100
    # The clock stands still here, so what is due at the end is the whole time that 100 lines take at 50 a second.
    assert slept[-1] == pytest.approx(2.0)


async def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="No such file"):
        await read(tmp_path / "nothing.jsonl", FakeSink())


def test_errors_are_listed_up_to_a_bound_and_counted_beyond_it() -> None:
    total, one = Intake(), Intake(documents=1)
    for number in range(MAX_SHOWN_ERRORS + 5):
        one.add_error(number, "wrong")
    total.add(one, "s3://b/k")
    assert total.dead_letters == MAX_SHOWN_ERRORS + 5
    assert len(total.errors) == MAX_SHOWN_ERRORS
    assert total.errors[0] == (0, "s3://b/k: wrong")


@pytest.mark.parametrize(
    ("text", "duration"),
    [("30s", timedelta(seconds=30)), ("5m", timedelta(minutes=5)), ("2h", timedelta(hours=2)), ("3d", timedelta(3))],
)
def test_durations_are_read(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2 h", "2w"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_duration(text)


@pytest.mark.parametrize(("group", "commands"), [(app, ("file", "s3")), (intercom, ("doctor", "reconcile"))])
def test_every_command_has_help(group: typer.Typer, commands: tuple[str, ...]) -> None:
    runner = CliRunner()
    for command in commands:
        result = runner.invoke(group, [command, "--help"])
        assert result.exit_code == 0
        assert "--json" in result.output


def test_a_wrong_s3_address_is_refused_before_anything_is_connected() -> None:
    result = CliRunner().invoke(app, ["s3", "http://bucket/key"])
    assert result.exit_code == 2


def test_the_overlap_must_cover_the_grace_period() -> None:
    with pytest.raises(ValueError, match="FLOODGATE_INGEST_RECONCILE_OVERLAP_SECONDS"):
        IngestSettings(reconcile_overlap_seconds=10, reconcile_grace_seconds=60)
