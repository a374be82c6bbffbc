"""Reads the tagged parts of a prompt; lenient about order, attributes and white space."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from floodgate_nlu.types import ModelCall

_ATTRIBUTE: Final = re.compile(r"""([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""")


@dataclass(frozen=True, slots=True)
class Element:
    """One tagged part: its attributes and its text."""

    attributes: Mapping[str, str]
    text: str


@lru_cache(maxsize=128)
def _outer(tag: str) -> re.Pattern[str]:
    return re.compile(rf"<{tag}(?:\s[^>]*)?>(.*)</{tag}\s*>", re.DOTALL | re.IGNORECASE)


@lru_cache(maxsize=128)
def _repeated(tag: str) -> re.Pattern[str]:
    return re.compile(rf"<{tag}(\s[^>]*?)?(?:/>|>(.*?)</{tag}\s*>)", re.DOTALL | re.IGNORECASE)


def part(text: str, tag: str) -> str | None:
    """The text between the first opening and the last closing tag, so that a tag quoted inside cannot end it."""
    found = _outer(tag).search(text)
    return html.unescape(found.group(1)).strip() if found else None


def parts(text: str, tag: str) -> list[Element]:
    """Every element with this tag, in order."""
    elements: list[Element] = []
    for found in _repeated(tag).finditer(text):
        attributes = {
            name.lower(): html.unescape(double or single or bare)
            for name, double, single, bare in _ATTRIBUTE.findall(found.group(1) or "")
        }
        elements.append(Element(attributes, html.unescape(found.group(2) or "").strip()))
    return elements


def raw_part(text: str, tag: str) -> str | None:
    """Like `part`, but with nested tags and entities untouched."""
    found = _outer(tag).search(text)
    return found.group(1) if found else None


def user_text(call: ModelCall) -> str:
    """What the caller asked: its first turn (later user turns are repair requests)."""
    for message in call.messages:
        if message.role == "user" and message.text.strip():
            return message.text
    return ""


def repair_note(call: ModelCall) -> str | None:
    """The error that the caller shows after a rejected answer, if this is a repair turn."""
    turns = [message.text for message in call.messages if message.role == "user" and message.text.strip()]
    return turns[-1] if len(turns) > 1 else None
