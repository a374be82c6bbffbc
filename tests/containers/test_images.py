"""The images of the services: locked down as in production, healthy by their progress, leaving by themselves."""

from __future__ import annotations

import docker
import pytest
from containers.boxes import ServiceBox
from containers.own_images import SIZE_LIMIT_MB
from faults.services.site import Site
from support.processes import eventually

# The first test waits for images and cluster, which take their own time.
pytestmark = pytest.mark.timeout(600, func_only=True)

_USER = "10001:10001"


def _boxes(site: Site) -> dict[str, ServiceBox]:
    return {slot.name: slot.process for slot in site.fleet.slots.values()}  # type: ignore[misc]


def test_an_image_is_no_larger_than_the_docs_say(images: tuple[str, ...], engine: docker.DockerClient) -> None:
    sizes = {name: engine.images.get(f"floodgate/{name}").attrs["Size"] / 1e6 for name in images}
    assert {name: size for name, size in sizes.items() if size > SIZE_LIMIT_MB} == {}


def test_a_container_runs_as_nobody_in_particular_and_can_change_nothing_of_itself(
    site: Site, engine: docker.DockerClient
) -> None:
    for name, box in _boxes(site).items():
        assert engine.images.get(f"floodgate/{name}").attrs["Config"]["User"] == _USER
        assert box.python("import os; print(os.getuid(), os.getgid())") == (0, "10001 10001")
        for place in ("/srv/catalogue", "/opt/floodgate", "/usr/lib"):
            code, said = box.python(f"open('{place}/x', 'w')")
            assert code != 0, f"{name} may write to {place}"
            assert "Read-only file system" in said, said


def test_an_image_holds_no_package_tools_and_one_interpreter(site: Site) -> None:
    looking = "import shutil; print([n for n in 'apt dpkg pip perl bash wget curl tar'.split() if shutil.which(n)])"
    for name, box in _boxes(site).items():
        assert box.python(looking) == (0, "[]"), name


def test_the_summarizers_image_writes_and_reads_parquet_though_much_of_pyarrow_is_left_out(site: Site) -> None:
    writing = (
        "import io, pyarrow as pa, pyarrow.parquet as pq; file = io.BytesIO();"
        "moment = pa.scalar(1, pa.timestamp('ms', tz='UTC'));"
        "table = pa.table({'a': [1, 2], 'b': ['x', None], 'c': [0.5, 1.5], 'd': [moment.as_py()] * 2});"
        "pq.write_table(table, file); file.seek(0);"
        "print(pq.ParquetFile(file).read().filter([False, True]).select(['a', 'b', 'c']).to_pylist())"
    )
    assert _boxes(site)["summarizer"].python(writing) == (0, "[{'a': 2, 'b': None, 'c': 1.5}]")


def test_docker_finds_the_health_of_a_container_by_its_progress(site: Site) -> None:
    for box in _boxes(site).values():
        # Docker looks every 15 s, and a busy machine may let a look pass.
        eventually(lambda box=box: box.health() == "healthy", box.tail, 180)  # type: ignore[misc]


def test_a_container_leaves_by_itself_when_it_is_told_to(site: Site) -> None:
    exits = len(site.fleet.exits)
    for slot in list(site.fleet.slots.values()):
        starts = slot.starts
        site.fleet.terminate(slot)
        # An end with any other code than 0 is put down as one that nobody asked for.
        eventually(lambda slot=slot, starts=starts: slot.starts > starts, slot.process.tail)  # type: ignore[misc]
    site.fleet.await_ready()
    assert site.fleet.exits[exits:] == []
