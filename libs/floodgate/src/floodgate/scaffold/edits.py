"""What a new service changes in files that all share: one line here and there, found by its form. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from keyflow.errors import FatalError

from floodgate.scaffold.naming import NewService

DEAD_LETTERS: Final = "support.dead-letters"
Edit = Callable[[str, NewService], str]


_ACCOUNTS: Final = re.compile(r"^(?:#.*\n)*services:$", re.MULTILINE)
_FIRST_ACCOUNT: Final = re.compile(r"^services:\n", re.MULTILINE)


def topics_yaml(text: str, service: NewService) -> str:
    """Declares the service's topics, and it as reader or writer of what is declared.

    Raises:
        FatalError: A line is not there or has another form.
    """
    text = _joined(text, DEAD_LETTERS, "writers", service.name)
    if service.reads.declared:
        text = _joined(text, service.reads.topic, "readers", service.name)
    declared = "\n".join([f"  # {service.name}", *_declarations(service)])
    text = _once(_ACCOUNTS, lambda found: f"{declared}\n\n{found[0]}", text, "services:")
    # One processor, of the service's name.
    return _once(_FIRST_ACCOUNT, lambda found: f"{found[0]}  {service.name}: {{processors: [{service.name}]}}\n", text,
                 "services:")  # fmt: skip


def _declarations(service: NewService) -> list[str]:
    name, key = service.name, service.key
    lines = []
    if not service.reads.declared:
        lines.append(
            f"  {service.reads.topic}: {{record: {service.reads.record}, key: {key}, writers: [connector], "
            f"readers: [{name}]}}"
        )
    lines.append(
        f"  {service.writes.topic}: {{record: {service.writes.record}, key: {key}, retention_days: 30, "
        f"writers: [{name}], readers: [connector]}}"
    )
    lines.append(f"  support.{name}.redrive: {{record: null, key: original, writers: [redrive], readers: [{name}]}}")
    if service.state:
        lines.append(
            f"  support.{name}.state: {{record: null, key: {key}, cleanup: compact, writers: [{name}], "
            f"readers: [{name}]}}"
        )
    return lines


def _joined(text: str, topic: str, part: str, name: str) -> str:
    """One more writer or reader on a topic's line."""
    line = re.compile(rf"^(  {re.escape(topic)}:.*\b{part}: \[)([^\]]*)(\].*)$", re.MULTILINE)
    return _once(line, lambda found: f"{found[1]}{found[2]}{', ' if found[2] else ''}{name}{found[3]}", text, topic)


def makefile(text: str, service: NewService) -> str:
    """Adds the room to ROOMS.

    Raises:
        FatalError: The line has another form.
    """
    rooms = re.compile(r"(^ROOMS := (?:.*\\\n)*?.*?)( deploy/local )", re.MULTILINE)
    return _once(rooms, lambda found: f"{found[1]} services/{service.name}{found[2]}", text, "ROOMS")


def pyproject(text: str, service: NewService) -> str:
    """Adds the room to mypy's path.

    Raises:
        FatalError: The line has another form.
    """
    path = re.compile(r'^(mypy_path = ".*)(:eval/src\b)', re.MULTILINE)
    return _once(path, lambda found: f"{found[1]}:services/{service.name}/src{found[2]}", text, "mypy_path")


def _once(pattern: re.Pattern[str], change: Callable[[re.Match[str]], str], text: str, what: str) -> str:
    changed, count = pattern.subn(change, text)
    if count != 1:
        raise FatalError(f"the line of {what} is not there in the known form: nothing was written")
    return changed


EDITS: Final[Mapping[str, Edit]] = {
    "schemas/topics.yaml": topics_yaml,
    "Makefile": makefile,
    "pyproject.toml": pyproject,
}
"""By file, from the root of the repository."""
