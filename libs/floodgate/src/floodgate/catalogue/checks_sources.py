"""What must hold of the declared knowledge sources. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from floodgate.catalogue.builder import Built, Header, Origin
from floodgate.catalogue.models import KnowledgeSource, SourceKind
from floodgate.catalogue.problems import Problem

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def check_sources(built: Built, header: Header) -> Iterator[Problem]:
    """Every problem of the declared sources."""
    for source in built.sources:
        origin = built.origin("source", source.id)
        yield from _check_location(origin, source)
        yield from _check_allowed(origin, source)
        yield from _check_links(origin, source, built, header)


def secure(address: str) -> bool:
    """Whether an address is https, or of this machine alone."""
    parts = urlsplit(address)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))


def _check_location(origin: Origin, source: KnowledgeSource) -> Iterator[Problem]:
    what = f"source {source.id!r}"
    if source.on_the_web and not secure(source.location):
        yield origin.problem(
            f"{what} of kind {source.kind.value} is not at an https address", "write https://…", "location"
        )
    elif source.kind is SourceKind.S3 and not source.location.startswith("s3://"):
        yield origin.problem(f"{what} is not in S3", "write s3://bucket/prefix", "location")
    elif not source.on_the_web and source.kind is not SourceKind.S3 and "://" in source.location:
        remedy = "name a folder or a file, or choose another kind"
        yield origin.problem(f"{what} of kind {source.kind.value} is an address", remedy, "location")


def _check_allowed(origin: Origin, source: KnowledgeSource) -> Iterator[Problem]:
    if source.on_the_web and not source.allow:
        remedy = "name the beginnings of the addresses that may be read, such as https://help.example.com/articles/"
        yield origin.problem(f"source {source.id!r} allows nothing", remedy, "allow")
    for member in ("allow", "deny") if source.on_the_web else ():
        for position, address in enumerate(getattr(source, member)):
            # Without the slash, help.example.com would allow help.example.com.evil.example too.
            if not secure(address) or not urlsplit(address).path:
                remedy = "write https://, the host and a path (at least /)"
                yield origin.problem(f"{address!r} is no beginning of an address", remedy, member, position)


def _check_links(origin: Origin, source: KnowledgeSource, built: Built, header: Header) -> Iterator[Problem]:
    what = f"source {source.id!r}"
    for at, language in _declared("language", source.language, source.languages):
        if language not in header.languages:
            remedy = "correct it or add it to catalogue.yaml"
            yield origin.problem(f"{what} names the unserved language {language!r}", remedy, *at)
    for at, category in _declared("category", source.category, source.categories):
        if category is not None and not built.knows("category", category):
            remedy = "correct the id or remove it"
            yield origin.problem(f"{what} names the unknown category {category!r}", remedy, *at)
    for country in source.countries:
        if country not in header.countries:
            remedy = "correct it or add it to catalogue.yaml"
            yield origin.problem(f"{what} names the unserved country {country!r}", remedy, "countries")


def _declared(
    member: str, value: str | None, by_part: Mapping[str, str]
) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """What holds for all, and by part of the address, each with where it stands."""
    several = {"language": "languages", "category": "categories"}[member]
    yield (member,), value
    yield from (((several, part), name) for part, name in by_part.items())
