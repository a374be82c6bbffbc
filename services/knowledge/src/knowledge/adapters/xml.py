"""XML that others wrote: no entities, no external references."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]  # ships no types
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]  # ships no types

from knowledge.ports_sources import SourceError


def parse_xml(where: str, body: bytes) -> Element:
    """The root element, names without their namespaces.

    Raises:
        SourceError: It is no XML, or declares entities.
    """
    try:
        root: Element = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise SourceError(f"{where} is no XML that can be read ({type(error).__name__})") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def moment(written: str | None) -> datetime | None:
    """A date as feeds and sitemaps write it; None when there is none or it cannot be read."""
    text = (written or "").strip()
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = read(text)
        except ValueError:
            continue
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
