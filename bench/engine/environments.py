"""An environment for each contender, built on demand in the user's cache and kept for the next run.

Packages come by name from the registry that the user has configured, jars by coordinate from the Maven repositories
that jgo is configured with. A folder is named for what it was made of, and marked when it is whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from floodgate_local.java import java_executable
from floodgate_local.lockfile import Coordinate
from floodgate_local.maven import JgoFetcher

from bench.engine.process import ContenderError

CONTENDERS: Final = Path(__file__).parent / "contenders"
ROOT: Final = Path(__file__).parents[2]
_BUILD_SECONDS: Final = 600.0
_COMPILER: Final = "org.eclipse.jdt:ecj:3.43.0"
_JARS: Final = (
    "io.confluent.parallelconsumer:parallel-consumer-core:0.5.3.3",
    "org.apache.avro:avro:1.12.1",
    "org.slf4j:slf4j-simple:1.7.36",
)
_JAVA_OPTIONS: Final = ("-Xmx512m", "-XX:-UsePerfData", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")

Say = Callable[[str], None]


def cache_folder() -> Path:
    """Where environments are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "floodgate" / "bench"


def own(module: str) -> list[str]:
    """The command of a contender in this very environment."""
    return [sys.executable, "-m", module]


def python(name: str, module: str, minimum: tuple[int, int], say: Say) -> list[str]:
    """The command of a contender in an environment of its own.

    Raises:
        ContenderError: There is no such Python, or the packages cannot be installed.
    """
    requirements = CONTENDERS / "requirements" / f"{name}.txt"
    interpreter = _interpreter(minimum)
    made_of = requirements.read_bytes() + interpreter.encode()
    folder = cache_folder() / f"{name}-{hashlib.sha256(made_of).hexdigest()[:10]}"
    executable = folder / "bin" / "python"
    if not (folder / "whole").exists():
        say(f"building the environment of {name}")
        shutil.rmtree(folder, ignore_errors=True)
        uv = Path(sys.executable).with_name("uv")
        _built([str(uv), "venv", "-q", "--no-python-downloads", "--python", interpreter, str(folder)])
        _built([str(uv), "pip", "install", "-q", "--python", str(executable), "-r", str(requirements)])
        (folder / "whole").touch()
    return [str(executable), "-m", module]


def java(source: str, say: Say) -> list[str]:
    """The command of a contender in Java, compiled by the Eclipse compiler: the runtime at hand has none.

    Raises:
        ContenderError: The jars cannot be fetched, or the source does not compile.
    """
    text = (CONTENDERS / f"{source}.java").read_bytes()
    made_of = text + "".join((*_JARS, _COMPILER)).encode()
    folder = cache_folder() / f"java-{hashlib.sha256(made_of).hexdigest()[:10]}"
    if not (folder / "whole").exists():
        say(f"fetching the jars of {source} and compiling it")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            _assemble(folder)
        except Exception as error:
            raise ContenderError(f"its jars cannot be fetched ({error})") from error
        _built(
            [
                *(str(java_executable()), "-jar", str(next((folder / "compiler").iterdir()))),
                *("-source", "21", "-target", "21", "-proc:none", "-nowarn", "-d", str(folder / "classes")),
                *("-cp", ":".join(map(str, sorted((folder / "lib").iterdir())))),
                str(CONTENDERS / f"{source}.java"),
            ]
        )
        (folder / "whole").touch()
    return [str(java_executable()), *_JAVA_OPTIONS, "-cp", f"{folder / 'classes'}:{folder / 'lib'}/*", source]


def versions() -> dict[str, list[str]]:
    """By environment, the pinned versions that matter to a figure."""
    named = (
        "quixstreams",
        "faust-streaming",
        "faststream",
        "pyrallel-consumer",
        "aiokafka",
        "confluent-kafka",
        "fastavro",
    )
    found = {"java": [*_JARS]}
    for file in sorted((CONTENDERS / "requirements").glob("*.txt")):
        pins = file.read_text(encoding="utf-8").splitlines()
        found[file.stem] = [pin for pin in pins if pin.partition("==")[0] in named]
    return found


def _assemble(folder: Path) -> None:
    fetcher = JgoFetcher()
    context = fetcher.context(cache_folder() / "maven")
    inputs, transitive = context.resolver.resolve([context.create_dependency(jar) for jar in _JARS])
    wanted = [("lib", Coordinate(d.groupId, d.artifactId, d.version)) for d in (*inputs, *transitive)]
    for kind, coordinate in [*wanted, ("compiler", Coordinate.parse(_COMPILER))]:
        jar = fetcher.fetch(coordinate, cache_folder() / "maven", lambda _count: None)
        (folder / kind).mkdir(parents=True, exist_ok=True)
        shutil.copy(jar, folder / kind)


def _interpreter(minimum: tuple[int, int]) -> str:
    if sys.version_info >= minimum:
        # The one behind our own environment: the same for every checkout of the repository.
        return str(getattr(sys, "_base_executable", sys.executable))
    names = [f"python3.{minor}" for minor in range(minimum[1], minimum[1] + 3)]
    found = [path for name in names if (path := shutil.which(name))]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found += [str(path) for path in sorted(pyenv.glob("3.*/bin/python3.*")) if path.name in names]
    for candidate in found:
        # A name on the path may be a shim for a Python that is not there.
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:  # noqa: S603
            return candidate
    raise ContenderError(f"needs Python {minimum[0]}.{minimum[1]}")


def _built(command: Sequence[str]) -> None:
    try:
        subprocess.run(  # noqa: S603  # our own commands
            command, check=True, capture_output=True, text=True, timeout=_BUILD_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ContenderError(f"cannot be built ({error})") from error
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout or "").strip().splitlines()
        raise ContenderError(f"cannot be built: {lines[-1][:200] if lines else error}") from error
