"""The software bill of materials as CycloneDX 1.6, and the licences of everything in it.

    python deploy/sbom/generate.py > sbom.json
    python deploy/sbom/generate.py --licences

Python packages come from the locks, their licences from installed metadata or from `parts.toml`; the JVM parts from
`deploy/local/jvm.lock`. The same locks give the same bytes. Ends with 1 and one line for each part whose licence is
not known or not allowed.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from floodgate_local.lockfile import read_lock
from license_expression import get_spdx_licensing

ROOT: Final = Path(__file__).parents[2]
PARTS: Final = Path(__file__).with_name("parts.toml")
_AWS_LOCK: Final = ROOT / "deploy/aws/requirements.lock"
_BESIDE_IMAGES: Final = frozenset(("local", "build"))
_SPDX: Final = get_spdx_licensing()
_WORDS: Final[tuple[tuple[str, str], ...]] = (
    (r"apache", "Apache-2.0"),
    (r"mozilla public license 2\.0|mpl[- ]2", "MPL-2.0"),
    (r"\bisc\b", "ISC"),
    (r"python software foundation|psf", "PSF-2.0"),
    (r"bsd-2|2-clause", "BSD-2-Clause"),
    (r"bsd", "BSD-3-Clause"),
    (r"\bmit\b", "MIT"),
)
"""How packages say in words what SPDX says in ids; the first that fits."""


@dataclass(frozen=True, slots=True)
class Part:
    """One component.

    Attributes:
        license: SPDX expression; empty when nothing says it.
        shipped: Whether an image of a service holds it.
        properties: Anything further, by name.
    """

    name: str
    version: str
    license: str
    shipped: bool = False
    kind: str = "library"
    purl: str = ""
    sha256: str = ""
    where: str = ""

    def component(self) -> dict[str, Any]:
        """As CycloneDX has it."""
        found: dict[str, Any] = {"type": self.kind, "bom-ref": self.purl or f"{self.kind}:{self.name}"}
        found |= {"name": self.name, "version": self.version} if self.version else {"name": self.name}
        if self.license:
            found["licenses"] = [{"expression": self.license}]
        if self.purl:
            found["purl"] = self.purl
        if self.sha256:
            found["hashes"] = [{"alg": "SHA-256", "content": self.sha256}]
        if self.where:
            found["description"] = self.where
        return found | {"scope": "required" if self.shipped else "optional"}


def parts() -> list[Part]:
    """Everything, in order of kind and name."""
    declared = tomllib.loads(PARTS.read_text("utf-8"))
    other = [
        Part(entry["name"], "", entry["license"], kind=entry["type"], where=entry["where"])
        for entry in declared["part"]
    ]
    return [*_python(declared["python"]), *_maven(declared["maven"]), *other]


def faults(found: list[Part]) -> list[str]:
    """One line for each part whose licence is not known, or is not allowed where the part is."""
    declared = tomllib.loads(PARTS.read_text("utf-8"))
    everywhere = frozenset(declared["allowed"])
    anywhere = everywhere | frozenset(declared["beside"])
    said = []
    for part in found:
        if not part.license:
            said.append(f"{part.name} {part.version}: no licence known: look it up and add it to {PARTS.name}")
        elif not allows(part.license, everywhere if part.shipped else anywhere):
            where = "in an image of a service" if part.shipped else "here"
            said.append(f"{part.name} {part.version}: {part.license} is not allowed {where} ({PARTS.name})")
    return said


def allows(expression: str, allowed: frozenset[str]) -> bool:
    """Whether an expression can be met with allowed licences: one side of an OR, all of an AND."""
    parsed = _SPDX.parse(expression.replace("LicenseRef-", "LicenseRef-"), validate=False)
    return _met(parsed, allowed)


def bill(found: list[Part]) -> dict[str, Any]:
    """The document; its serial number follows from its content."""
    components = [part.component() for part in found]
    serial = uuid5(NAMESPACE_URL, json.dumps(components, sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": "floodgate", "name": "floodgate"}},
        "components": components,
    }


def _met(parsed: Any, allowed: frozenset[str]) -> bool:
    operator = getattr(parsed, "operator", "").strip()
    if operator in ("OR", "AND"):
        sides = [_met(each, allowed) for each in parsed.args]
        return any(sides) if operator == "OR" else all(sides)
    return str(parsed) in allowed


# Python


def _python(known: Mapping[str, str]) -> Iterator[Part]:
    shipped = {
        name
        for path in (ROOT / "deploy/images/locks").glob("*.txt")
        if path.stem not in _BESIDE_IMAGES
        for name in _pins(path)
    }
    pins = {*_pins(ROOT / "requirements.lock"), *_pins(_AWS_LOCK)}
    for name, version in sorted(pins):
        licence = known.get(name) or _said(name)
        yield Part(name, version, licence, (name, version) in shipped, purl=f"pkg:pypi/{name}@{version}")


def _pins(path: Path) -> list[tuple[str, str]]:
    return re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", path.read_text("utf-8"), re.MULTILINE)


def _said(name: str) -> str:
    """What an installed package says of its licence; empty when it says nothing that can be read."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return ""
    expression = str(found.get("License-Expression") or "")
    if expression:
        return expression
    classifiers = [text for text in found.get_all("Classifier") or [] if text.startswith("License ::")]
    words = str(found.get("License") or "").strip().split("\n")[0]
    for text in (words, *classifiers):
        for pattern, licence in _WORDS:
            if re.search(pattern, text, re.IGNORECASE):
                return licence
    return ""


# JVM


def _maven(known: Mapping[str, str]) -> Iterator[Part]:
    seen: dict[str, Part] = {}
    for folder, artifacts in read_lock(ROOT / "deploy/local/jvm.lock").folders.items():
        for locked in artifacts:
            place = locked.coordinate
            groups = [name for name in known if place.group == name or place.group.startswith(f"{name}.")]
            licence = known[max(groups, key=len)] if groups else ""
            purl = f"pkg:maven/{place.group}/{place.artifact}@{place.version}?type={place.packaging}"
            purl += f"&classifier={place.classifier}" if place.classifier else ""
            seen.setdefault(
                purl,
                Part(f"{place.group}:{place.artifact}", place.version, licence, purl=purl, sha256=locked.sha256,
                     where=f"local stack: {folder}"),
            )  # fmt: skip
    yield from (seen[purl] for purl in sorted(seen))


def main(arguments: list[str]) -> int:
    """Writes the document, or with --licences how many parts have which licence."""
    found = parts()
    if "--licences" in arguments:
        counts = Counter((part.license, part.shipped) for part in found)
        lines = [f"{n:4}  {licence or 'unknown'}{'  in images' if shipped else ''}"
                 for (licence, shipped), n in sorted(counts.items())]  # fmt: skip
        sys.stdout.write("\n".join([*lines, f"{len(found)} parts", ""]))
    else:
        json.dump(bill(found), sys.stdout, indent=1)
        sys.stdout.write("\n")
    said = faults(found)
    sys.stderr.write("".join(f"{line}\n" for line in said))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
