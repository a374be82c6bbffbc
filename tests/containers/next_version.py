"""Makes of the firewall's image its next version, as a release could bring it; runs inside the image, as root.

- **Schema**: a verdict has one more optional field, and this version fills it.
- **State**: so has a conversation's state.
- **Offset map**: there is a second format. This version reads both; which one it writes, OFFSET_MAP says (1 or 2).
  Every instance can read a format before one writes it, and none writes it before one comes that cannot.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

FIELD = "seen_by_next"
AVRO_FIELD = {"name": FIELD, "type": ["null", "string"], "default": None}


def _file(module: str) -> Path:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def _replace(path: Path, *pairs: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in pairs:
        assert text.count(old) == 1, f"{path.name} has {text.count(old)} of: {old}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def _schema() -> None:
    contract = _file("floodgate.events").parent / "contract.json"
    known = json.loads(contract.read_text(encoding="utf-8"))
    known["schemas"]["Verdict"]["fields"].append(AVRO_FIELD)
    contract.write_text(json.dumps(known), encoding="utf-8")
    head = '    """support.verdicts: what the firewall decided about one message."""\n'
    _replace(_file("floodgate.events.generated"), (head, f'{head}\n    {FIELD}: str | None = "next"\n'))


def _state() -> None:
    first = "    recent_event_ids: tuple[UUID, ...] = ()\n"
    update = 'update={"recent_event_ids": recent}'
    _replace(
        _file("firewall.domain.state"),
        (first, f'{first}    {FIELD}: str = ""\n'),
        # What is at its default is not written.
        (update, f'update={{"recent_event_ids": recent, "{FIELD}": "next"}}'),
    )


def _offset_map() -> None:
    _replace(
        _file("keyflow.offsets"),
        ('_PREFIX: Final = "k1:"\n', '_PREFIX: Final = "k1:"\n_NEXT: Final = "k2:"\n'),
        (
            '    return _PREFIX + base64.b64encode(packed).decode() if packed else ""\n',
            "    import os\n\n"
            '    if packed and os.environ["OFFSET_MAP"] == "2":\n'
            "        return _NEXT + base64.b85encode(packed).decode()\n"
            '    return _PREFIX + base64.b64encode(packed).decode() if packed else ""\n',
        ),
        (
            "    if not metadata.startswith(_PREFIX):\n",
            "    if metadata.startswith(_NEXT):\n"
            "        packed = base64.b85decode(metadata.removeprefix(_NEXT))\n"
            "        metadata = _PREFIX + base64.b64encode(packed).decode()\n"
            "    if not metadata.startswith(_PREFIX):\n",
        ),
    )


if __name__ == "__main__":
    _schema()
    _state()
    _offset_map()
