"""`python -m floodgate_local.shop --port N --state-dir DIR`."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from datetime import date
from pathlib import Path

import uvicorn
from pydantic import ValidationError

from floodgate_local.shop.app import create_app
from floodgate_local.shop.seed import seed
from floodgate_local.shop.settings import ShopSettings
from floodgate_local.shop.store import ShopStore


def main(arguments: list[str] | None = None) -> int:
    """Serves until it is told to stop; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m floodgate_local.shop", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, required=True, help="port on it")
    parser.add_argument("--state-dir", type=Path, help="where shop.sqlite lives")
    parser.add_argument("--today", type=date.fromisoformat, help="the shop's day, YYYY-MM-DD (the real one)")
    parser.add_argument("--reset", action="store_true", help="begin with the seed data")
    options = parser.parse_args(arguments)
    given = {"today": options.today, "state_dir": options.state_dir}
    try:
        settings = ShopSettings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        names = ", ".join(f"FLOODGATE_SHOP_{e['loc'][0]}".upper() + f" ({e['msg']})" for e in error.errors())
        print(f"shop: settings missing or wrong: {names}", file=sys.stderr)  # noqa: T201 - the one line before logs exist
        return 2
    store = ShopStore(settings.state_dir / "shop.sqlite", today=settings.today, seeder=seed)
    try:
        store.open()
        if options.reset:
            store.reset()
        store.close()
    except (OSError, sqlite3.Error) as error:
        print(f"shop: cannot use {settings.state_dir}: {error}; name another with --state-dir", file=sys.stderr)  # noqa: T201 - as above
        return 2
    app = create_app(store, settings.token.get_secret_value())
    # A stalled request (a fault) must not hold up the end.
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=3,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
