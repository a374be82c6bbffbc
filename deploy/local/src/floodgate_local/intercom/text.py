"""Bodies are kept as HTML, as Intercom does, and shown as HTML or as plain text."""

from __future__ import annotations

import html
import re
from typing import Final

_LOOKS_LIKE_HTML: Final = re.compile(r"\s*<(p|html|body|h\d|ul|ol|div|b|i|strong|em|a|br)[\s>/]", re.IGNORECASE)
_BREAK: Final = re.compile(r"<br\s*/?>|</(li|h\d|tr)>", re.IGNORECASE)
_PARAGRAPH_END: Final = re.compile(r"</(p|ul|ol|div)>\s*", re.IGNORECASE)
_ACTIVE: Final = re.compile(r"<(script|style)\b.*?(</\1>|$)", re.IGNORECASE | re.DOTALL)
_ANY_TAG: Final = re.compile(r"<[^>]*>")


def to_html(text: str) -> str:
    """Plain text as paragraphs; what is HTML already stays, without scripts and styles."""
    if _LOOKS_LIKE_HTML.match(text):
        return _ACTIVE.sub("", text)
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n".join(f"<p>{html.escape(p, quote=False).replace(chr(10), '<br>')}</p>" for p in paragraphs)


def to_plain(body: str | None) -> str | None:
    """The same words without tags."""
    if body is None:
        return None
    text = _BREAK.sub("\n", body.replace("\n", ""))
    text = _PARAGRAPH_END.sub("\n\n", text)
    return html.unescape(_ANY_TAG.sub("", text)).strip()
