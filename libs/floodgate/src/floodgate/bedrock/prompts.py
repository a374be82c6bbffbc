"""Versioned prompt files: markdown with YAML front matter and `{{name}}` places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import resources
from typing import Final

import yaml
from keyflow.errors import FatalError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from floodgate.bedrock.contract import Prompt, T
from floodgate.bedrock.schema import tool_schema

_FRONT_MATTER: Final = re.compile(r"\A---\n(?P<head>.*?)\n---\n(?P<body>.*)\Z", re.DOTALL)
_PLACE: Final = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


_in_place: ContextVar[dict[tuple[str, str], str] | None] = ContextVar("in_place", default=None)


@contextmanager
def in_place_of(package: str, file: str, text: str | None) -> Iterator[None]:
    """Inside, another text is read in a prompt file's place: to try a prompt out before it is released.

    Args:
        package: As in `load_prompt`.
        file: As in `load_prompt`.
        text: The other text; None leaves the file.
    """
    token = _in_place.set({**(_in_place.get() or {}), **({(package, file): text} if text is not None else {})})
    try:
        yield
    finally:
        _in_place.reset(token)


class _Head(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    tool: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str = Field(min_length=1)
    max_tokens: int = Field(ge=1)


def load_prompt(package: str, file: str, output: type[T], **fixed: str) -> Prompt[T]:
    """Read a prompt from a service's package and fill its fixed places.

    Args:
        package: The package that holds the file, such as `floodgate_firewall.prompts`.
        file: The file's name.
        output: The model of the answer.
        **fixed: The text for every `{{name}}` in the body.

    Raises:
        FatalError: When the file is missing or malformed, or a place and its text do not match.
    """
    where = f"the prompt {package}/{file}"
    other = (_in_place.get() or {}).get((package, file))
    if other is not None:
        return parse_prompt(other, f"the text in place of {where}", output, fixed)
    try:
        text = resources.files(package).joinpath(file).read_text("utf-8")
    except (OSError, ModuleNotFoundError) as error:
        raise FatalError(f"{where} cannot be read: {error}") from error
    return parse_prompt(text.replace("\r\n", "\n"), where, output, fixed)


def parse_prompt(text: str, where: str, output: type[T], fixed: dict[str, str]) -> Prompt[T]:
    """Make a prompt from the text of its file; see `load_prompt`."""
    parts = _FRONT_MATTER.match(text)
    if parts is None:
        raise FatalError(f"{where} must begin with front matter between two lines of ---")
    head = _head(parts["head"], where)
    try:
        tool_schema(output)
    except ValueError as error:
        raise FatalError(f"{where}: {error}") from error
    return Prompt(
        name=head.name,
        version=head.version,
        system=_fill(parts["body"].strip(), where, fixed),
        tool_name=head.tool,
        tool_description=head.description.strip(),
        output=output,
        max_tokens=head.max_tokens,
    )


def _head(text: str, where: str) -> _Head:
    try:
        return _Head.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise FatalError(f"{where}: the front matter is not valid YAML") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "front matter"
        raise FatalError(f"{where}: {field}: {first['msg']}") from error


def _fill(body: str, where: str, fixed: dict[str, str]) -> str:
    places = set(_PLACE.findall(body))
    unfilled, unknown = sorted(places - fixed.keys()), sorted(fixed.keys() - places)
    if unfilled:
        raise FatalError(f"{where}: nothing given for {{{{{unfilled[0]}}}}}")
    if unknown:
        raise FatalError(f"{where}: has no place {{{{{unknown[0]}}}}}")
    # One pass: text that is filled in is not searched for places again.
    return _PLACE.sub(lambda place: fixed[place[1]], body)
