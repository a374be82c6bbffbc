"""`python -m floodgate_local.intercom --port N --state-dir DIR`."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from pathlib import Path

import uvicorn
from pydantic import ValidationError

from floodgate_local.intercom.app import STORE_FILE, create_app
from floodgate_local.intercom.settings import StandInSettings
from floodgate_local.intercom.store import Store


def main(arguments: list[str] | None = None) -> int:
    """Serves until it is told to stop; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m floodgate_local.intercom", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, required=True, help="port on it")
    parser.add_argument("--state-dir", type=Path, help="where intercom.sqlite lives")
    parser.add_argument("--webhook-target", help="where notifications go")
    parser.add_argument("--rate-limit-per-minute", type=int, help="calls a minute (10,000)")
    options = parser.parse_args(arguments)
    given = {name: value for name, value in vars(options).items() if name not in ("host", "port") and value is not None}
    try:
        settings = StandInSettings(**given)
    except ValidationError as error:
        names = ", ".join(f"FLOODGATE_INTERCOM_{e['loc'][0]}".upper() + f" ({e['msg']})" for e in error.errors())
        print(f"intercom: settings missing or wrong: {names}", file=sys.stderr)  # noqa: T201 - the one line before logs exist
        return 2
    try:
        store = Store(settings.state_dir / STORE_FILE)
        store.open()
        store.close()
    except (OSError, sqlite3.Error) as error:
        print(f"intercom: cannot use {settings.state_dir}: {error}; name another with --state-dir", file=sys.stderr)  # noqa: T201 - as above
        return 2
    # A stalled request (a fault) must not hold up the end.
    uvicorn.run(
        create_app(settings),
        host=options.host,
        port=options.port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=3,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
