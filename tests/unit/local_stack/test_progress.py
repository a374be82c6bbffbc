"""What is told while parts are fetched and components start."""

from __future__ import annotations

import io

from floodgate_local.progress import PlainProgress, TerminalProgress, progress_for
from rich.console import Console


def test_a_stream_that_is_no_terminal_gets_plain_lines() -> None:
    stream = io.StringIO()
    progress = progress_for(stream)
    assert isinstance(progress, PlainProgress)
    with progress.live():
        progress.fetched("kafka", 10_000_000, 40_000_000)
        progress.fetched("kafka", 20_000_000, 40_000_000)
        progress.fetched("kafka", 40_000_000, 40_000_000)
        progress.starting("kafka")
        progress.ready("kafka", 3.14)
    assert stream.getvalue().splitlines() == [
        "kafka fetched 10 of 40 MB",
        "kafka fetched 40 of 40 MB",
        "kafka starting",
        "kafka ready 3.1 s",
    ]


def test_a_terminal_gets_a_line_for_each_component_that_is_ready() -> None:
    stream = io.StringIO()
    progress = TerminalProgress(Console(file=stream, force_terminal=True, width=100))
    with progress.live():
        progress.fetched("kafka", 1, 2)
        progress.fetched("kafka", 2, 2)
        progress.starting("kafka")
        progress.ready("kafka", 3.14)
        progress.note("and a note")
    assert "kafka ready" in stream.getvalue()
    assert "and a note" in stream.getvalue()
