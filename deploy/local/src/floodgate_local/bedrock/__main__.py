"""`python -m floodgate_local.bedrock --port N --state-dir DIR [--config FILE] [--catalogue DIR]`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette

from floodgate_local.bedrock.app import SERVER_NAME, create_app
from floodgate_local.bedrock.config import ConfigError, Latency, load_config, load_model
from floodgate_local.bedrock.faults import FaultInjector
from floodgate_local.bedrock.runtime import Runtime

HOST: Final = "127.0.0.1"
CATALOGUE_VARIABLE: Final = "FLOODGATE_CATALOGUE_DIR"


def main(arguments: list[str] | None = None) -> int:
    """Run the server until SIGTERM; the counters of the run are left in the state directory."""
    options = _parser().parse_args(arguments)
    try:
        app = build(options.state_dir, options.config, options.catalogue)
    except ConfigError as error:
        sys.stderr.write(f"{SERVER_NAME}: {error}\n")
        return 2
    config = uvicorn.Config(
        app, host=options.host, port=options.port, log_level="warning", access_log=False, timeout_graceful_shutdown=5
    )
    uvicorn.Server(config).run()
    return 0


def build(state_dir: Path, config_file: Path | None, catalogue_dir: Path | None) -> Starlette:
    """The application with the model behind it.

    Raises:
        ConfigError: When the configuration, the model or a directory cannot be used.
    """
    config = load_config(config_file)
    if catalogue_dir is not None and not catalogue_dir.is_dir():
        raise ConfigError(f"the catalogue directory {catalogue_dir} does not exist")
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the state directory {state_dir}: {error.strerror}") from error
    model = load_model(config.model, catalogue_dir)
    warm_up = getattr(model, "warm_up", None)
    if callable(warm_up):
        # Trained before the server answers, so that nobody's first message waits for it.
        warm_up()
    runtime = Runtime(model, Latency(config.latency), FaultInjector(config.faults), config.model_threads)

    def save_stats() -> None:
        stats = runtime.stats.snapshot(len(runtime.cache))
        (state_dir / "bedrock-stats.json").write_text(json.dumps(stats, indent=2) + "\n", "utf-8")

    return create_app(runtime, on_shutdown=save_stats)


def _parser() -> argparse.ArgumentParser:
    default = os.environ.get(CATALOGUE_VARIABLE)
    parser = argparse.ArgumentParser(prog="python -m floodgate_local.bedrock", description=__doc__)
    parser.add_argument("--host", default=HOST, help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--config", type=Path, help="YAML or JSON: model, model_threads, latency, faults")
    parser.add_argument(
        "--catalogue",
        type=Path,
        default=Path(default) if default else None,
        help=f"what the local model may know besides the request (default: ${CATALOGUE_VARIABLE})",
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
