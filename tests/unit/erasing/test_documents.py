"""A person's lines and rows leave documents; all others stay as they were."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from floodgate.catalogue import load_catalogue
from floodgate.erasing.catalogue_examples import CatalogueExamples, is_theirs
from floodgate.erasing.given_files import GivenFiles
from floodgate.erasing.lines import by_id, is_empty, named, without
from floodgate.erasing.planning import Needles, Person, Sought
from floodgate.settings import CatalogueSettings
from keyflow.errors import FatalError

ROOT = Path(__file__).parents[3]
THEIRS = b'{"conversation_id": "intercom:12", "text": "mine"}\n'
OTHERS = b'{"conversation_id": "intercom:123", "text": "\xc3\xa9"}\r\n'


def sought(*texts: str) -> Sought:
    person = Person().with_key("conversation_id", "intercom:12")
    return Sought(person, Needles(person.ids), texts)


@pytest.mark.parametrize("packed", [False, True])
def test_lines_that_stay_are_the_same_bytes_packed_as_before(packed: bool) -> None:
    document = OTHERS + THEIRS + OTHERS
    data = gzip.compress(document) if packed else document
    assert list(named(data, sought(), by_id)) == [2]
    kept = without(data, sought(), by_id)
    assert (gzip.decompress(kept) if packed else kept) == OTHERS + OTHERS
    assert list(named(kept, sought(), by_id)) == []
    assert not is_empty(kept)
    assert is_empty(without(gzip.compress(THEIRS), sought(), by_id))


def test_rows_of_parquet_leave_and_types_stay() -> None:
    table = pa.table({"conversation_id": ["intercom:1", "intercom:12"], "csat": [0.5, None], "n": [1, 2]})
    out = io.BytesIO()
    pq.write_table(table, out)
    assert list(named(out.getvalue(), sought(), by_id)) == [2]
    kept = pq.ParquetFile(io.BytesIO(without(out.getvalue(), sought(), by_id))).read()
    assert kept == table.slice(0, 1)


def test_damaged_data_are_refused_and_not_passed_over() -> None:
    with pytest.raises(FatalError, match="damaged gzip"):
        list(named(gzip.compress(THEIRS)[:-9], sought(), by_id))


def test_given_files_tell_file_and_line_and_lose_those_lines(tmp_path: Path) -> None:
    labels, other = tmp_path / "labels.jsonl", tmp_path / "notes.md"
    labels.write_bytes(OTHERS + THEIRS)
    other.write_bytes(THEIRS)
    files = GivenFiles([tmp_path])
    assert [place.name for place in files.look(sought())] == [f"{labels}:2"]
    files.erase(sought())
    files.erase(sought())
    assert labels.read_bytes() == OTHERS
    assert files.look(sought()) == []
    assert other.read_bytes() == THEIRS, "only files of lines are taken from a folder"


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(FatalError, match="--in takes files and folders"):
        GivenFiles([Path("nowhere.jsonl")]).look(sought())


# Examples

WROTE = "Hello, my ticket for Ghent never came, write to  ann@example.org please"
EXAMPLE = "hello, my ticket for Ghent never came, write to <EMAIL_1> please"


@pytest.mark.parametrize(
    ("example", "theirs"),
    [
        (EXAMPLE, True),
        ("hello, my ticket for Bruges never came, write to <EMAIL_1> please", False),
        ("hello, my ticket", False),
        ("<EMAIL_1>", False),
    ],
)
def test_an_example_is_told_by_what_they_wrote_with_anything_in_place_of_what_was_masked(
    example: str, theirs: bool
) -> None:
    assert is_theirs(example, sought(WROTE)) is theirs


def catalogue_with(tmp_path: Path, example: str) -> CatalogueExamples:
    for path in (ROOT / "catalogue").rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(ROOT / "catalogue")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    category = tmp_path / "categories" / "resend_tickets.yaml"
    before = category.read_text("utf-8")
    category.write_text(before.replace("  en:\n    - ", f'  en:\n    - "{example}"\n    - ', 1), "utf-8")
    assert category.read_text("utf-8") != before
    return CatalogueExamples(CatalogueSettings(dir=tmp_path))


def test_a_promoted_example_is_reported_by_line_and_leaves_the_file_as_it_was_before(tmp_path: Path) -> None:
    examples = catalogue_with(tmp_path, EXAMPLE)
    path = tmp_path / "categories" / "resend_tickets.yaml"
    [place] = examples.look(sought(WROTE))
    line = int(place.name.removeprefix(f"{path}:"))
    assert EXAMPLE in path.read_text("utf-8").splitlines()[line - 1]
    examples.erase(sought(WROTE))
    assert examples.look(sought(WROTE)) == []
    assert path.read_bytes() == (ROOT / "catalogue/categories/resend_tickets.yaml").read_bytes()
    assert load_catalogue(tmp_path).categories


def test_nothing_changes_where_the_catalogue_would_not_be_valid(tmp_path: Path) -> None:
    examples = catalogue_with(tmp_path, EXAMPLE)
    everything = tuple(
        text for category in load_catalogue(tmp_path).categories for text in category.examples["en"] if category.id
    )
    before = {path: path.read_bytes() for path in (tmp_path / "categories").iterdir()}
    with pytest.raises(FatalError, match="would not be valid"):
        examples.erase(Sought(Person(), Needles([], everything), ()))
    assert {path: path.read_bytes() for path in (tmp_path / "categories").iterdir()} == before
