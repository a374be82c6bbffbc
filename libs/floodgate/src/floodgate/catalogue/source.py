"""Reads the catalogue's files and remembers on which line everything stands."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

import yaml

from floodgate.catalogue.problems import Problem

Location = tuple[str | int, ...]

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLACES: Final = (
    "catalogue.yaml",
    "paths.yaml",
    "teams.yaml",
    "urgency.yaml",
    "sources.yaml",
    "calibration.yaml",
    "categories/*.yaml",
    "templates/*.yaml",
    "workflows/*.yaml",
    "knowledge/*/*.md",
)
_FENCE: Final = "---"
UNFINISHED: Final = "[TODO]"
"""Marks what a person still has to write: with brackets, for "todo" is a word of Spanish."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One parsed file.

    Args:
        name: Path relative to the catalogue's directory, with forward slashes.
        data: The parsed YAML; for an article its front matter.
        lines: Line, from 1, of each value, by its location in `data`.
        body: What follows the front matter; empty for YAML files.
        readable: False when `data` could not be parsed, which has been reported.
    """

    name: str
    data: Any
    lines: Mapping[Location, int] = field(default_factory=dict)
    body: str = ""
    readable: bool = True

    def line(self, location: Sequence[str | int] = ()) -> int | None:
        """The line of a value or, where it has none, of what it stands in."""
        key = tuple(location)
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key)


@dataclass(frozen=True, slots=True)
class Sources:
    """All files of a catalogue, by name, with the version that their bytes give."""

    files: Mapping[str, SourceFile]
    version: str
    problems: tuple[Problem, ...]

    def under(self, folder: str) -> list[SourceFile]:
        """The readable files of a folder, in order of name."""
        return [file for name, file in self.files.items() if name.startswith(f"{folder}/") and file.readable]


def read_files(directory: Path) -> dict[str, bytes]:
    """The bytes of every file of the layout, by name."""
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in _paths(directory)}


def parse_files(files: Mapping[str, bytes], *, unfinished: bool = False) -> Sources:
    """Parse files of the layout; what cannot be parsed becomes a problem, and so does what is marked unfinished.

    Args:
        files: Bytes by name.
        unfinished: Let marks be.
    """
    parsed: dict[str, SourceFile] = {}
    problems: list[Problem] = []
    for name in _in_order(files):
        parsed[name], found = _read(name, files[name])
        problems.extend(found)
        problems.extend(() if unfinished else _unfinished(name, files[name]))
    return Sources(parsed, version_of(files), tuple(problems))


def version_of(files: Mapping[str, bytes]) -> str:
    """First twelve hexadecimal digits of the SHA-256 over names and contents."""
    digest = hashlib.sha256()
    for name in _in_order(files):
        digest.update(name.encode() + b"\0" + files[name] + b"\0")
    return digest.hexdigest()[:12]


def _in_order(names: Iterable[str]) -> list[str]:
    # As directories sort: a folder's files stay together whatever its name continues with.
    return sorted(names, key=lambda name: PurePosixPath(name).parts)


def _unfinished(name: str, raw: bytes) -> Iterator[Problem]:
    """What a scaffold left for a person to write; also in comments, where no parser would see it."""
    lines = [number for number, line in enumerate(raw.split(b"\n"), start=1) if UNFINISHED.encode() in line]
    if lines:
        what = (
            f"{UNFINISHED} is left here"
            if len(lines) == 1
            else f"{UNFINISHED} is left here and in {len(lines) - 1} lines more"
        )
        yield Problem(name, lines[0], what, f"write what it asks for in place of {UNFINISHED}")


def is_catalogue_file(name: str) -> bool:
    """Whether a relative name belongs to the layout; nothing else is read from or written for a version."""
    path = PurePosixPath(name)
    if ".." in path.parts or path.is_absolute() or path.name.startswith("."):
        return False
    return any(len(path.parts) == place.count("/") + 1 and path.match(place) for place in _PLACES)


def _paths(directory: Path) -> list[Path]:
    found = [path for place in _PLACES for path in directory.glob(place)]
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def _read(name: str, raw: bytes) -> tuple[SourceFile, list[Problem]]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        problem = Problem(name, line, "is not UTF-8", "save the file as UTF-8")
        return SourceFile(name, None, readable=False), [problem]
    if not name.endswith(".md"):
        return _parse_yaml(name, text, first_line=1)
    return _read_article(name, text)


def _read_article(name: str, text: str) -> tuple[SourceFile, list[Problem]]:
    lines = text.splitlines()
    if not lines or lines[0].strip() != _FENCE or _FENCE not in [line.strip() for line in lines[1:]]:
        remedy = f"begin it with {_FENCE}, then title, category, owner and review_by, then {_FENCE}"
        return SourceFile(name, None, readable=False), [Problem(name, 1, "has no front matter", remedy)]
    end = [line.strip() for line in lines].index(_FENCE, 1)
    parsed, problems = _parse_yaml(name, "\n".join(lines[1:end]), first_line=2)
    body = "\n".join(lines[end + 1 :]).strip()
    return SourceFile(name, parsed.data, parsed.lines, body, parsed.readable), problems


def _parse_yaml(name: str, text: str, *, first_line: int) -> tuple[SourceFile, list[Problem]]:
    loader = _LOADER(text)
    try:
        node = loader.get_single_node()
        data = loader.construct_document(node) if node is not None else None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + first_line if mark is not None else None
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        problem = Problem(name, line, f"is not valid YAML: {reason}", "correct the line or the one above it")
        return SourceFile(name, None, readable=False), [problem]
    finally:
        loader.dispose()
    lines: dict[Location, int] = {}
    problems = list(_walk(name, node, (), lines, first_line)) if node is not None else []
    return SourceFile(name, data, lines), problems


def _walk(
    name: str, node: yaml.Node, location: Location, lines: dict[Location, int], first_line: int
) -> Iterator[Problem]:
    """Note the line of every value; a key that stands twice would silently win over the first."""
    lines.setdefault(location, node.start_mark.line + first_line)
    if isinstance(node, yaml.SequenceNode):
        for position, child in enumerate(node.value):
            yield from _walk(name, child, (*location, position), lines, first_line)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, child in node.value:
            label, line = str(key.value), key.start_mark.line + first_line
            if label in seen:
                yield Problem(name, line, f"{label!r} stands here a second time", "keep one of the two")
            seen.add(label)
            lines[(*location, label)] = line
            yield from _walk(name, child, (*location, label), lines, first_line)
