"""A formatted, empty Kafka log folder, made once per home: a new stack copies it instead of starting a JVM."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from floodgate_local.errors import ComponentFailedError
from floodgate_local.java import COMMON_OPTIONS, java_executable, run_to_end

FORMATTED: Final = "formatted"

# Any base64 UUID; one stack is one cluster, and its data never meets another's.
_CLUSTER_ID: Final = "Zmxvb2RnYXRlLWxvY2FsMQ"
_FORMAT_TIMEOUT_SECONDS: Final = 120


def finish_home(home: Path) -> None:
    """Format a log folder with the home's own tool.

    Raises:
        ComponentFailedError: The tool fails.
        OSError: A file cannot be written.
    """
    config = home / "format.properties"
    # Formatting asks for a whole configuration; of all this only the node's id ends up in the folder.
    config.write_text(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:1\n"
        "listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1\n"
        f"controller.listener.names=CONTROLLER\nlog.dirs={home / FORMATTED}\n",
        encoding="utf-8",
    )
    output, succeeded = run_to_end(
        [
            *(str(java_executable()), *COMMON_OPTIONS, "-Xmx128m", "-cp", f"{home / 'libs'}/*"),
            *("kafka.tools.StorageTool", "format", "--cluster-id", _CLUSTER_ID, "--config", str(config)),
        ],
        timeout_seconds=_FORMAT_TIMEOUT_SECONDS,
    )
    config.unlink()
    if not succeeded:
        raise ComponentFailedError(
            "Kafka's log folder cannot be formatted",
            "see the tool's output below; `floodgate stack lock` may have changed a version",
            log_tail=output[-2000:],
        )


def new_log_folder(home: Path, target: Path) -> None:
    """Copy the formatted folder, whole or not at all.

    Raises:
        OSError: A file cannot be written.
    """
    partial = target.with_name(target.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(home / FORMATTED, partial)
    partial.rename(target)
