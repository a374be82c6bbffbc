"""`python -m floodgate_local.featurestore --port N --state-dir DIR [--feature-groups FILE]`."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any, Final

import uvicorn

from floodgate_local.aws_wire import AwsError, check_body
from floodgate_local.featurestore.app import SERVER_NAME, create_app
from floodgate_local.featurestore.groups import FeatureGroup
from floodgate_local.featurestore.store import Store

HOST: Final = "127.0.0.1"
GROUPS_VARIABLE: Final = "FLOODGATE_FEATURE_GROUPS"


class StartError(ValueError):
    """The server cannot start; the message names the file and what is wrong."""


def main(arguments: list[str] | None = None) -> int:
    """Run the server until SIGTERM."""
    options = _parser().parse_args(arguments)
    try:
        store = open_store(options.state_dir, options.feature_groups)
    except StartError as error:
        sys.stderr.write(f"{SERVER_NAME}: {error}\n")
        return 2
    config = uvicorn.Config(
        create_app(store),
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run()
    return 0


def open_store(state_dir: Path, groups_file: Path | None) -> Store:
    """The store with the groups of the file declared; records that it has stay.

    Raises:
        StartError: When the directory, the database or the file cannot be used.
    """
    definitions = [] if groups_file is None else read_groups(groups_file)
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        store = Store(state_dir / "featurestore.sqlite")
    except (OSError, sqlite3.Error) as error:
        raise StartError(f"cannot keep state in {state_dir}: {error}") from error
    for definition in definitions:
        store.declare_group(definition)
    return store


def read_groups(path: Path) -> list[dict[str, Any]]:
    """Feature groups from a JSON list, each in the form of a CreateFeatureGroup request.

    Raises:
        StartError: One line that names the file and the entry.
    """
    try:
        definitions = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise StartError(f"cannot read --feature-groups {path}: {error.strerror}") from error
    except ValueError as error:
        raise StartError(f"{path} is not valid JSON") from error
    if not isinstance(definitions, list):
        raise StartError(f"{path} must be a list of feature groups")
    for number, definition in enumerate(definitions, start=1):
        try:
            check_body("sagemaker", "CreateFeatureGroup", definition)
            FeatureGroup.from_definition(definition)
        except AwsError as error:
            raise StartError(f"{path}: feature group {number}: {error.message}") from error
    return definitions


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m floodgate_local.featurestore", description=__doc__)
    parser.add_argument("--host", default=HOST, help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    default = os.environ.get(GROUPS_VARIABLE)
    parser.add_argument(
        "--feature-groups",
        type=Path,
        default=Path(default) if default else None,
        help=f"JSON list of groups to declare, as CreateFeatureGroup takes them (default: ${GROUPS_VARIABLE})",
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
