"""`floodgate setup`: the local deploy step."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from keyflow.errors import FatalError

from floodgate_local.provision import provision
from floodgate_local.stack import Stack


def setup(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Prepare the local stack: topics, schemas, bucket, queue, rule. Repeating it changes nothing."""
    stack = Stack()
    if not stack.env_file.exists():
        raise FatalError("the local stack has not been started: run `make up` (or `floodgate stack up`)")
    done = provision(stack.env(), lambda line: None if as_json else typer.echo(line))
    stack.set_env(done.env)
    if as_json:
        typer.echo(json.dumps({"topics_created": done.topics_created, "schemas_created": done.schemas_created}))
