"""Intercom bodies as plain text.

REST answers and webhooks before API version 2.15 carry HTML; later webhooks carry plain text. Both come
through here, and a plain "I paid <3 euros" must stay as it is: only known tags make a body HTML.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_KNOWN_TAG: Final = re.compile(
    r"</?(?:p|div|br|span|a|b|strong|i|em|u|h[1-6]|ul|ol|li|img|pre|code|blockquote|table|tbody|thead|tr|td|th"
    r"|html|head|body|script|style|hr|font)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_BLOCKS: Final = frozenset(
    ("p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "pre", "blockquote", "table", "tr", "hr")
)
_UNSEEN: Final = frozenset(("script", "style", "head", "title"))
_SPACES: Final = re.compile(r"[^\S\n]+")
_BLANK_LINES: Final = re.compile(r"\n{3,}")
# Half of a pair, which no UTF-8 can hold: a cut emoji shall not cost the whole message.
_LONE_SURROGATES: Final = re.compile("[\ud800-\udfff]")


class _TextCollector(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen_depth = 0
        self._pre_depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen_depth += 1
        elif tag == "br":
            self.pieces.append("\n")
        elif tag in _BLOCKS:
            self._pre_depth += tag == "pre"
            self.pieces.append("\n- " if tag == "li" else "\n")
        elif tag in ("td", "th"):
            self.pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen_depth = max(0, self._unseen_depth - 1)
        elif tag in _BLOCKS:
            self._pre_depth = max(0, self._pre_depth - (tag == "pre"))
            self.pieces.append("\n\n" if tag == "p" else "\n")

    def handle_data(self, data: str) -> None:
        if self._unseen_depth:
            return
        # White space in HTML source, line ends included, is one space outside <pre>.
        self.pieces.append(data if self._pre_depth else re.sub(r"\s+", " ", data))


def plain_text(body: str | None) -> str:
    """What a reader would see of a body, lines kept, runs of white space collapsed."""
    if not body:
        return ""
    text = body
    if "<" in body and _KNOWN_TAG.search(body):
        collector = _TextCollector()
        collector.feed(body)
        collector.close()
        text = "".join(collector.pieces)
    lines = (_SPACES.sub(" ", line).strip() for line in text.replace("\r\n", "\n").split("\n"))
    joined = _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()
    return joined if joined.isascii() else _LONE_SURROGATES.sub("\ufffd", joined)
