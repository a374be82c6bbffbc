"""Assembling a real `OPENSEARCH_HOME` from Maven files: `lib`, `modules`, `plugins` with their descriptors."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Final

from floodgate_local.errors import ComponentFailedError
from floodgate_local.java import java_executable, run_to_end
from floodgate_local.parts import KNN_VERSION, OPENSEARCH_MODULES, OPENSEARCH_VERSION

POLISH_SOURCE: Final = Path(__file__).parent / "polish" / "PolishAnalysisPlugin.java"
_POLISH_CLASS: Final = "dev.floodgate.opensearch.PolishAnalysisPlugin"
_COMPILE_TIMEOUT_SECONDS: Final = 120


def finish_home(home: Path) -> None:
    """Turn the folders of the lock into a home that OpenSearch starts from.

    Raises:
        ComponentFailedError: The Polish analysis plugin does not compile.
        OSError: A file cannot be written.
    """
    for gap in (home / "lib-gaps").iterdir():
        gap.rename(home / "lib" / gap.name)
    (home / "lib-gaps").rmdir()
    # Asked for at start, and made by nobody who may not write here.
    (home / "bin").mkdir()
    for module in OPENSEARCH_MODULES:
        _write_descriptor(
            home / "modules" / module.name, module.name, module.classname, OPENSEARCH_VERSION, module.extended
        )
    _unpack_knn(home / "plugins" / "opensearch-knn")
    _build_polish(home)
    shutil.rmtree(home / "compiler")


def _write_descriptor(folder: Path, name: str, classname: str, version: str, extended: tuple[str, ...] = ()) -> None:
    lines = {
        "name": name,
        "description": f"{name} of the local stack",
        "version": version,
        "opensearch.version": OPENSEARCH_VERSION,
        "java.version": "21",
        "classname": classname,
        "custom.foldername": "",
        "extended.plugins": ",".join(extended),
        "has.native.controller": "false",
    }
    text = "".join(f"{key}={value}\n" for key, value in lines.items())
    (folder / "plugin-descriptor.properties").write_text(text, encoding="utf-8")


def _unpack_knn(folder: Path) -> None:
    archive = folder / f"opensearch-knn-{KNN_VERSION}.zip"
    with zipfile.ZipFile(archive) as files:
        files.extractall(folder)
    archive.unlink()
    descriptor = folder / "plugin-descriptor.properties"
    text = descriptor.read_text(encoding="utf-8")
    # The gRPC transport is not in Maven Central as a module; k-NN works without it.
    wanted = text.replace("extended.plugins=lang-painless,transport-grpc", "extended.plugins=lang-painless")
    descriptor.write_text(wanted, encoding="utf-8")


def _build_polish(home: Path) -> None:
    """Compile the plugin that gives OpenSearch's `polish` analyzer; the published one is not in Maven Central."""
    plugin = home / "plugins" / "analysis-polish"
    classes = home / "compiler" / "classes"
    _compile(home, plugin, classes)
    with zipfile.ZipFile(plugin / "analysis-polish.jar", "w", zipfile.ZIP_DEFLATED) as jar:
        for file in sorted(classes.rglob("*.class")):
            jar.write(file, file.relative_to(classes).as_posix())
    _write_descriptor(plugin, "analysis-polish", _POLISH_CLASS, OPENSEARCH_VERSION)


def _compile(home: Path, plugin: Path, classes: Path) -> None:
    compiler = next((home / "compiler").glob("ecj-*.jar"))
    jars = [*(home / "lib").glob("*.jar"), *plugin.glob("*.jar")]
    command = [
        str(java_executable()),
        "-XX:TieredStopAtLevel=1",
        *("-cp", str(compiler), "org.eclipse.jdt.internal.compiler.batch.Main"),
        *("-source", "21", "-target", "21", "-proc:none", "-nowarn", "-d", str(classes)),
        *("-cp", ":".join(map(str, jars)), str(POLISH_SOURCE)),
    ]
    output, succeeded = run_to_end(command, timeout_seconds=_COMPILE_TIMEOUT_SECONDS)
    if not succeeded:
        raise ComponentFailedError(
            "OpenSearch's Polish analyzer does not compile",
            "see the compiler's output below; `floodgate stack lock` may have changed a version",
            log_tail=output[-2000:],
        )
