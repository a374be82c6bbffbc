"""What the demo shows: a live table while it runs, the figures at the end, and where to look."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from floodgate_demo.report import Report
from floodgate_demo.runner import Running
from floodgate_demo.tally import Seen
from floodgate_demo.trying import STRICTER

_PLAIN_SECONDS: Final = 5.0


@contextmanager
def live(console: Console, seen: Seen) -> Iterator[None]:
    """Shows the flow while the block runs: a table on a terminal, a line every few seconds elsewhere."""
    if console.is_terminal:
        with Live(get_renderable=lambda: flow_table(seen), console=console, refresh_per_second=4, transient=True):
            yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_lines, args=(console, seen, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _lines(console: Console, seen: Seen, stop: threading.Event) -> None:
    while not stop.wait(_PLAIN_SECONDS):
        with seen.lock:
            line = (
                f"messages {len(seen.messages)} · verdicts {len(seen.verdicts)} · replies {len(seen.replies)} · "
                f"hand-offs {len(seen.escalations)} · resolved {len(seen.resolved)} · "
                f"features {len(seen.summaries)} · dead letters {len(seen.dead_letters)}"
            )
        console.print(line, highlight=False)


def flow_table(seen: Seen) -> Table:
    """The flow as it stands: one line per stage, narrow enough for any terminal."""
    table = Table(title="Floodgate, live", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    with seen.lock:
        kinds = Counter(verdict.decision.value for found in seen.verdicts.values() for verdict in found)
        table.add_row("messages", str(len(seen.messages)), f"{len(seen.conversations)} conversations")
        table.add_row("verdicts", str(len(seen.verdicts)), _listed(kinds) if kinds else "")
        table.add_row("replies", str(len(seen.replies)), f"{len(seen.resolved)} cases resolved")
        table.add_row("hand-overs", str(len(seen.escalations)), "")
        table.add_row("interactions", str(len(seen.interactions)), f"{len(seen.summaries)} feature records")
        table.add_row("dead letters", str(len(seen.dead_letters)), "")
    return table


def result_tables(report: Report) -> Group:
    """The figures at the end."""
    return Group(_main(report), _languages(report), _services(report))


def _main(report: Report) -> Table:
    table = Table(title="What became of it", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="left")
    table.add_row("messages in", str(report.messages_in))
    table.add_row("verdicts", _listed(report.verdicts))
    table.add_row("assessed without retrieval", str(report.without_retrieval))
    table.add_row("misuse", _listed(report.misuse))
    table.add_row("urgent", str(report.urgent))
    table.add_row("cases resolved", str(report.cases_resolved))
    table.add_row("cases handed over", f"{report.cases_handed_over} ({_listed(report.hand_over_reasons)})")
    for conversation, explanation in list(report.redirected_twice.items())[:1]:
        count = len(report.redirected_twice)
        table.add_row("redirected twice, then a human", f"{count}; {conversation}: {escape(explanation)}")
    table.add_row("replies", f"{report.replies_decided} decided, {_shown(report.replies_shown)} shown in Intercom")
    table.add_row("interactions in", str(report.interactions_in))
    table.add_row("feature records", f"{report.features_valid} valid ({_listed(report.feature_languages)})")
    if report.feedback:
        rows = f"; {report.shadow['judged_rows']} rows for the evaluation" if report.shadow else ""
        table.add_row("feedback by tags", f"{_listed(report.feedback)}{rows}")
    if report.shadow:
        table.add_row("shadow", "\n".join(_shadow(report.shadow)))
    table.add_row("dead letters", str(report.dead_letters))
    for reason, count in sorted(report.dead_letter_reasons.items()):
        table.add_row("", f"{count} × {reason}")
    table.add_row("lost, duplicated", f"{report.lost}, {report.duplicated}")
    table.add_row("model", ", ".join(report.models) or "none")
    table.add_row("cost", f"${report.cost_usd:.4f} at list price for {report.tokens_in:,} input tokens")
    table.add_row("read from cache", f"{report.cache_read_share:.0%} of input tokens")
    table.add_row("time, peak memory", f"{report.seconds:.0f} s, {report.peak_rss_bytes / 2**20:.0f} MiB")
    return table


def _shadow(shadow: Mapping[str, Any]) -> list[str]:
    """What would change with the candidate that was run over the demo's own topics."""
    moved = [
        f"{count} {before} -> {after}"
        for before, row in shadow["matrix"].items()
        for after, count in row.items()
        if count and before != after
    ]
    lost = shadow["marks"]["urgent"]["lost"]
    return [
        f"{'; '.join(shadow['changes'])}: {shadow['decided_otherwise']} of {shadow['n']} decisions would change, "
        f"{lost} urgent lost",
        *moved,
    ]


def _languages(report: Report) -> Table:
    kinds = ("pass", "redirect", "automate", "escalate", "quarantine")
    table = Table(title="Verdicts by language")
    table.add_column("language")
    for kind in kinds:
        table.add_column(kind, justify="right")
    for language, counts in report.verdicts_by_language.items():
        table.add_row(language, *(str(counts.get(kind, 0)) for kind in kinds))
    return table


def _services(report: Report) -> Table:
    table = Table(title="Time from record in to record out")
    for column in ("service", "records", "p50 ms", "p95 ms"):
        table.add_column(column, justify="left" if column == "service" else "right")
    for name, figures in report.latency_ms.items():
        table.add_row(name, str(figures["n"]), str(figures["p50"]), str(figures["p95"]))
    return table


def where_to_look(demo: Running, *, stays_up: bool) -> str:
    """Addresses and commands for whoever wants to see more."""
    state = demo.stack.state_dir
    if not stays_up:
        return f"Logs: {state}/logs. Run `make demo` on a terminal to look around while everything is up."
    return "\n".join(
        [
            "Where to look:",
            f"  console           {demo.console_url}",
            f"  API page          {demo.ingest_url}/docs",
            f"  Intercom stand-in {demo.env['FLOODGATE_INTERCOM_BASE_URL']}/_local/summary",
            f"  shop backend      {demo.env['FLOODGATE_SHOP_BASE_URL']}/_local/actions",
            f"  dead letters      FLOODGATE_STATE={state} .venv/bin/floodgate dlq list",
            f"  try a change      FLOODGATE_STATE={state} .venv/bin/floodgate shadow firewall --set {STRICTER[0]}",
            f"  topics            FLOODGATE_STATE={state} .venv/bin/floodgate topics list",
            f"  logs              {state}/logs",
        ]
    )


def is_terminal() -> bool:
    """Whether a person is watching."""
    return sys.stdout.isatty()


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1])) or "none"


def _shown(count: int | None) -> str:
    return "none are" if count is None else str(count)
