"""HTML to plain text: what a reader would read, without navigation, scripts and what is hidden."""

from __future__ import annotations

import re
from typing import Final

from bs4 import BeautifulSoup, Comment, Tag

_NOT_CONTENT: Final = (
    "script", "style", "noscript", "template", "nav", "header", "footer", "aside", "form", "button", "iframe",
    "svg", "canvas", "select", "dialog", "title", "ac:parameter",
)  # fmt: skip
_BLOCKS: Final = (
    "p", "div", "section", "article", "ul", "ol", "table", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote",
    "pre", "dl", "dt", "dd", "br", "ac:structured-macro",
)  # fmt: skip
_HIDDEN_STYLE: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0", re.IGNORECASE)
_BREAK: Final = "\x00"


def html_to_text(html: str, *, main: str | None = None) -> tuple[str, str]:
    """The title and the text of a page.

    Args:
        html: The page or a piece of it.
        main: CSS selector of the content; the page's own `main` or `article` when None.

    Returns:
        The title, empty when there is none, and paragraphs with a blank line between them.
    """
    soup = BeautifulSoup(html, "html.parser")
    title = _title(soup)
    content = (soup.select_one(main) if main else None) or soup.find("main") or soup.find("article") or soup.body
    root = content if isinstance(content, Tag) else soup
    for comment in root.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    for element in root.find_all(_unread):
        if not element.decomposed:
            element.decompose()
    for item in root.find_all("li"):
        item.insert_before(f"{_BREAK}- ")
    for cell in root.find_all(["td", "th"]):
        cell.insert_after(" ")
    for block in root.find_all(_BLOCKS):
        block.insert_before(_BREAK * 2)
        block.insert_after(_BREAK * 2)
    return title, _tidy(root.get_text())


def _unread(element: Tag) -> bool:
    return (
        element.name in _NOT_CONTENT
        or element.has_attr("hidden")
        or element.get("aria-hidden") == "true"
        or bool(_HIDDEN_STYLE.search(str(element.get("style", ""))))
    )


def _title(soup: BeautifulSoup) -> str:
    """The page's title, taken out of it: it goes with every passage anyway."""
    for found in (soup.find("h1"), soup.find("title")):
        if isinstance(found, Tag) and found.get_text(strip=True):
            return " ".join(found.extract().get_text(" ").split())
    return ""


def _tidy(text: str) -> str:
    """Line breaks of the source mean nothing; those of blocks do."""
    lines = [" ".join(line.split()) for line in text.split(_BREAK)]
    paragraphs = re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip()
    return re.sub(r"\n\n(?=- )", "\n", paragraphs)
