"""Documents out of files: plain text, Markdown and HTML, by the end of their name."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

from knowledge.adapters.html import html_to_text
from knowledge.domain.documents import Document, Refused

_HTML: Final = frozenset({".html", ".htm"})
_TEXT: Final = frozenset({".txt", ".md"})
SUFFIXES: Final = _HTML | _TEXT
_FRONT_MATTER: Final = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_TITLE: Final = re.compile(r"^title:\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE)


def readable(name: str) -> bool:
    """Whether files of that name are read."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def file_document(name: str, raw: bytes, updated_at: datetime | None) -> Document | Refused:
    """The document of a file; refused when it is not UTF-8."""
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return Refused(key=name, reason="not UTF-8")
    stem = PurePosixPath(name).stem.replace("_", " ").replace("-", " ")
    if PurePosixPath(name).suffix.lower() in _HTML:
        title, body = html_to_text(text)
    else:
        title, body = _markdown(text)
    return Document(key=name, title=title or stem, text=body, updated_at=updated_at)


def _markdown(text: str) -> tuple[str, str]:
    """The title of the front matter or of the first heading, and the rest without either."""
    head = _FRONT_MATTER.match(text)
    named = _TITLE.search(head[1]) if head else None
    body = (text[head.end() :] if head else text).strip()
    first, _, rest = body.partition("\n")
    if first.startswith("# "):
        return (named[1] if named else first.removeprefix("# ").strip()), rest.strip()
    return (named[1] if named else ""), body
