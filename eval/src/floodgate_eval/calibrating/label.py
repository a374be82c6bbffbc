"""A page on loopback on which a person labels interactions, one at a time; rows are appended as JSON Lines."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any, Final

from floodgate.events import Turn, TurnRole
from keyflow import FatalError
from pydantic import ValidationError
from summarizer.domain.transcript import transcript_of

from floodgate_eval.rows import FeaturesRow, Labels, TurnRow, read_rows

HOST: Final = "127.0.0.1"
_MOST_BYTES: Final = 20_000
_WHOLE: Final = 10**9
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{}'; connect-src 'self'"


class Unlabelled(FeaturesRow):
    """An interaction that nobody has labelled yet; labels that it brings are what is offered first."""

    interaction_id: str | None = None
    labels: Labels = Labels()


class Desk:
    """The interactions of a file, what is left of them, and where labels go. Safe to use from several threads.

    Args:
        source: The interactions.
        out: Labelled rows are appended here; what stands there already is not asked again.

    Raises:
        FatalError: A file cannot be read.
    """

    def __init__(self, source: Path, out: Path) -> None:
        self._out = out
        self._lock = threading.Lock()
        done = {row.words for row in read_rows([out], Unlabelled)} if _has_rows(out) else set()
        rows = [masked(row) for row in read_rows([source], Unlabelled)]
        self._rows = {number: row for number, row in enumerate(rows) if row.words not in done}
        self.total = len(rows)

    def next(self) -> tuple[int, Unlabelled] | None:
        """The first that is left."""
        with self._lock:
            return next(iter(self._rows.items()), None)

    @property
    def left(self) -> int:
        """How many are left."""
        return len(self._rows)

    def keep(self, number: int, labels: Labels | None) -> None:
        """Appends one labelled row; without labels it is passed over until the page is opened anew.

        Raises:
            KeyError: It is not there, or labelled already.
        """
        with self._lock:
            row = self._rows.pop(number)
            if labels is None:
                return
            kept = row.model_copy(update={"labels": labels}).model_dump(mode="json", exclude_none=True)
            with self._out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(kept, ensure_ascii=False) + "\n")


def masked(row: Unlabelled) -> Unlabelled:
    """The same with placeholders in place of personal data, as the model sees it."""
    turns = tuple(Turn(role=TurnRole(turn.role), text=turn.text) for turn in row.turns)
    shown = transcript_of(turns, language=row.group, country=row.country, max_chars=_WHOLE)
    kept = tuple(TurnRow(role=line.role.value, text=line.text) for line in shown.lines)
    return row.model_copy(update={"turns": kept or row.turns})


def serve(
    source: Path, out: Path, *, topics: Sequence[str], intents: Sequence[str], port: int, say: Callable[[str], None]
) -> None:
    """Serves the page until somebody ends it.

    Raises:
        FatalError: A file cannot be read, or the port is taken.
    """
    desk = Desk(source, out)
    token = secrets.token_urlsafe(24)
    try:
        server = ThreadingHTTPServer((HOST, port), partial(Page, desk, token, {"topics": topics, "intents": intents}))
    except OSError as error:
        raise FatalError(f"port {port}: {error.strerror}; name another with --port") from error
    say(f"{desk.left} of {desk.total} interactions are left; labels go to {out}")
    say(f"open http://{HOST}:{server.server_port}/  (Ctrl-C ends it)")
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say(f"{desk.left} are left")


class Page(BaseHTTPRequestHandler):
    """The page and its two requests; only a browser that has opened the page knows the token."""

    def __init__(self, desk: Desk, token: str, choices: dict[str, Sequence[str]], *args: Any) -> None:
        self._desk, self._token, self._choices = desk, token, choices
        super().__init__(*args)

    def do_GET(self) -> None:
        """The page, or the next interaction."""
        if not self._from_here():
            self._answer(403, b"", "text/plain")
        elif self.path == "/":
            page = resources.files("floodgate_eval.calibrating").joinpath("label.html").read_text("utf-8")
            self._answer(200, page.replace("{{token}}", self._token).encode(), "text/html; charset=utf-8")
        elif self.path == "/next" and self._knows_token():
            self._json(self._shown())
        else:
            self._answer(404, b"", "text/plain")

    def do_POST(self) -> None:
        """Labels of one interaction."""
        length = int(self.headers.get("Content-Length") or 0)
        if not (self._from_here() and self._knows_token()) or length > _MOST_BYTES or self.path != "/label":
            self._answer(403, b"", "text/plain")
            return
        try:
            given = json.loads(self.rfile.read(length))
            labels = Labels.model_validate(given["labels"]) if given["labels"] is not None else None
            self._desk.keep(int(given["number"]), labels)
        except (ValueError, TypeError, KeyError, ValidationError):
            self._answer(400, b"", "text/plain")
            return
        self._json(self._shown())

    def _shown(self) -> dict[str, Any]:
        found = self._desk.next()
        shown: dict[str, Any] = {"left": self._desk.left, "total": self._desk.total, **self._choices}
        if found is not None:
            number, row = found
            shown |= {
                "number": number,
                **row.model_dump(mode="json", include={"language", "country", "turns", "labels"}),
            }
        return shown

    def _from_here(self) -> bool:
        """Not another site that gave our address its own name."""
        return (self.headers.get("Host") or "").partition(":")[0] in {HOST, "localhost"}

    def _knows_token(self) -> bool:
        return secrets.compare_digest(self.headers.get("X-Floodgate-Token") or "", self._token)

    def _json(self, value: dict[str, Any]) -> None:
        self._answer(200, json.dumps(value, ensure_ascii=False).encode(), "application/json")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", _POLICY.format(self._token))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is for the person."""


def _has_rows(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
