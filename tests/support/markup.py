"""What a page is made of, as a browser would read it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_OWN = re.compile("/(?!/)|#main$")
_ACTED_ON = ("href", "src", "action", "formaction")


class Outline(HTMLParser):
    """Tags and names of attributes in order, and the values that a browser acts on."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, ...]] = []
        self.followed: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.followed += [value or "" for name, value in attrs if name in _ACTED_ON]

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment",))

    @property
    def foreign(self) -> list[object]:
        """What no page of the console has: addresses elsewhere, handlers, scripts of its own, frames."""
        handlers = [tag for tag in self.tags if any(name.startswith("on") for name in tag[1:])]
        scripts = [tag for tag in self.tags if tag[0] in ("script", "iframe", "object", "embed") and "src" not in tag]
        return [*(address for address in self.followed if not _OWN.match(address)), *handlers, *scripts]
