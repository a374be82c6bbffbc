"""Starting, watching and stopping real processes; the servers are small ones, so that this takes seconds."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from floodgate_local.components import Component, Place
from floodgate_local.components.base import answers
from floodgate_local.errors import ComponentFailedError, PortTakenError
from floodgate_local.process import MARKER, ProcessRecord, is_alive
from floodgate_local.progress import SilentProgress, StackProgress
from floodgate_local.state import StateDir, read_env
from floodgate_local.supervisor import Supervisor

pytestmark = pytest.mark.integration


class Server(Component):
    """A web server that needs nothing installed."""

    def __init__(self, name: str, *, script: str | None = None, timeout_seconds: float = 30.0) -> None:
        self.name = name
        self.port_names = (name,)
        self.start_timeout_seconds = timeout_seconds
        self.stop_grace_seconds = 1.0
        self._script = script

    def prepare(self, place: Place) -> None:
        place.data.mkdir(parents=True, exist_ok=True)

    def command(self, place: Place) -> list[str]:
        if self._script is not None:
            return [sys.executable, "-c", self._script, str(place.ports[self.name])]
        return [sys.executable, "-m", "http.server", str(place.ports[self.name]), "--bind", "127.0.0.1"]

    def is_ready(self, place: Place) -> bool:
        return answers(place.ports[self.name], "/")


class NoHomes:
    """For components that need no home."""

    def path(self, component: str) -> Path:
        raise AssertionError(component)

    def ensure(self, components: Sequence[str], progress: StackProgress) -> None:
        assert not components
        del progress


class Rig:
    """A supervisor over a state folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.state = StateDir(folder)

    def supervisor(self, *components: Component) -> Supervisor:
        return Supervisor(self.state, components, NoHomes(), _env)

    def record(self, name: str) -> ProcessRecord:
        record = ProcessRecord.read(self.state.record(name))
        assert record is not None
        return record


def _env(ports: Mapping[str, int], secrets: Mapping[str, str]) -> dict[str, str]:
    return {**{f"PORT_{name.upper()}": str(port) for name, port in ports.items()}, **secrets}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path / "state")
    yield rig
    for process in _marked(rig.state):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _marked(state: StateDir) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            running = process.status() != psutil.STATUS_ZOMBIE
            if running and process.environ().get(MARKER, "").startswith(f"{state.root}|"):
                found.append(process)
    return found


def _eventually(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_everything_is_started_and_answers(rig: Rig) -> None:
    supervisor = rig.supervisor(Server("one"), Server("two"))
    assert supervisor.up(["one", "two"], SilentProgress()) == ["one", "two"]
    rows = supervisor.status()
    assert [row.state for row in rows] == ["ready", "ready"]
    assert all(row.rss_bytes > 1_000_000 and row.pid and row.log.exists() for row in rows)
    assert read_env(rig.state.env_file)["PORT_ONE"] == str(rows[0].ports["one"])


def test_a_second_up_changes_nothing(rig: Rig) -> None:
    supervisor = rig.supervisor(Server("one"), Server("two"))
    supervisor.up(["one", "two"], SilentProgress())
    before = [(row.pid, row.ports) for row in supervisor.status()]
    env = rig.state.env_file.read_text()
    assert supervisor.up(["one", "two"], SilentProgress()) == []
    assert [(row.pid, row.ports) for row in supervisor.status()] == before
    assert rig.state.env_file.read_text() == env


def test_only_what_is_missing_is_started_and_keeps_its_port(rig: Rig) -> None:
    supervisor = rig.supervisor(Server("one"), Server("two"))
    supervisor.up(["one", "two"], SilentProgress())
    before = {row.name: row for row in supervisor.status()}
    supervisor.kill("one")
    assert [row.state for row in supervisor.status()] == ["dead", "ready"]
    assert supervisor.up(["one", "two"], SilentProgress()) == ["one"]
    after = {row.name: row for row in supervisor.status()}
    assert after["one"].state == "ready"
    assert after["one"].ports == before["one"].ports
    assert after["one"].pid != before["one"].pid
    assert after["two"].pid == before["two"].pid


def test_another_command_sees_and_stops_what_this_one_started(rig: Rig) -> None:
    rig.supervisor(Server("one")).up(["one"], SilentProgress())
    other = rig.supervisor(Server("one"))
    assert other.status()[0].state == "ready"
    assert other.down() == ["one"]
    assert other.status()[0].state == "stopped"
    assert _marked(rig.state) == []


def test_down_without_anything_running_does_nothing(rig: Rig) -> None:
    assert rig.supervisor(Server("one")).down() == []


def test_a_component_that_dies_at_start_is_named_with_its_last_lines(rig: Rig) -> None:
    dying = Server("two", script="import sys; print('these are', 'the last words'); sys.exit(3)")
    supervisor = rig.supervisor(Server("one"), dying)
    with pytest.raises(ComponentFailedError, match=r"two died while starting → .*two\.log") as caught:
        supervisor.up(["one", "two"], SilentProgress())
    assert "these are the last words" in caught.value.log_tail
    assert "\n" not in str(caught.value)


def test_what_started_before_a_failure_is_kept_and_found(rig: Rig) -> None:
    supervisor = rig.supervisor(Server("one"))
    supervisor.up(["one"], SilentProgress())
    broken = rig.supervisor(Server("one"), Server("two", script="raise SystemExit(3)"))
    with pytest.raises(ComponentFailedError):
        broken.up(["one", "two"], SilentProgress())
    assert [row.state for row in broken.status()] == ["ready", "dead"]
    assert broken.down() == ["one"]


def test_a_component_that_never_answers_is_told_after_its_deadline(rig: Rig) -> None:
    silent = Server("one", script="import time; time.sleep(600)", timeout_seconds=0.5)
    supervisor = rig.supervisor(silent)
    with pytest.raises(ComponentFailedError, match="one does not answer after"):
        supervisor.up(["one"], SilentProgress())
    assert supervisor.status()[0].state == "unresponsive"
    assert supervisor.down() == ["one"]


def test_a_disk_that_is_full_for_a_component_is_told_as_that(rig: Rig) -> None:
    full = Server("one", script="raise OSError(28, 'No space left on device')")
    with pytest.raises(ComponentFailedError, match="the disk is full: free some space"):
        rig.supervisor(full).up(["one"], SilentProgress())


def test_a_component_that_ignores_sigterm_is_ended_after_its_grace(rig: Rig) -> None:
    stubborn = (
        "import http.server, signal, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "address = ('127.0.0.1', int(sys.argv[1]))\n"
        "http.server.HTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()\n"
    )
    supervisor = rig.supervisor(Server("one", script=stubborn))
    supervisor.up(["one"], SilentProgress())
    assert supervisor.down() == ["one"]
    assert _marked(rig.state) == []


def test_children_of_a_component_do_not_outlive_down(rig: Rig) -> None:
    parent = (
        "import http.server, subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "address = ('127.0.0.1', int(sys.argv[1]))\n"
        "http.server.HTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()\n"
    )
    supervisor = rig.supervisor(Server("one", script=parent))
    supervisor.up(["one"], SilentProgress())
    _eventually(lambda: len(_marked(rig.state)) == 2, "the child has started")
    supervisor.down()
    assert _marked(rig.state) == []


def test_a_port_taken_while_the_rest_runs_names_port_component_and_remedy(rig: Rig) -> None:
    supervisor = rig.supervisor(Server("one"), Server("two"))
    supervisor.up(["one", "two"], SilentProgress())
    port = rig.state.ports()["one"]
    supervisor.down(["one"])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(PortTakenError, match=rf"Port {port} of one is taken .* → stop that program"):
            supervisor.up(["one", "two"], SilentProgress())
    assert supervisor.up(["one", "two"], SilentProgress()) == ["one"]


def test_a_port_taken_while_nothing_runs_is_chosen_anew(rig: Rig) -> None:
    supervisor = rig.supervisor(Server("one"), Server("two"))
    supervisor.up(["one", "two"], SilentProgress())
    before = rig.state.ports()
    supervisor.down()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", before["one"]))
        other.listen()
        supervisor.up(["one", "two"], SilentProgress())
    after = rig.state.ports()
    assert after["one"] != before["one"]
    assert after["two"] == before["two"]
    assert read_env(rig.state.env_file)["PORT_ONE"] == str(after["one"])


def test_a_recycled_process_id_is_not_taken_for_the_component(rig: Rig) -> None:
    rig.state.create()
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        ProcessRecord(bystander.pid, "an earlier start", time.time()).write(rig.state.record("one"))
        supervisor = rig.supervisor(Server("one"))
        assert supervisor.status()[0].state == "dead"
        assert supervisor.down() == []
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_half_written_record_is_no_record(rig: Rig) -> None:
    rig.state.create()
    rig.state.record("one").write_text('{"pid": 12')
    assert rig.supervisor(Server("one")).status()[0].state == "stopped"


def test_a_component_that_was_started_but_not_recorded_is_found_by_up_and_down(rig: Rig) -> None:
    """The command was killed between the start and its record."""
    supervisor = rig.supervisor(Server("one"))
    supervisor.up(["one"], SilentProgress())
    orphan = rig.record("one")
    rig.state.record("one").unlink()
    assert supervisor.up(["one"], SilentProgress()) == ["one"]
    assert not is_alive(orphan)
    again = rig.record("one")
    rig.state.record("one").unlink()
    supervisor.down()
    assert not is_alive(again)


_UP_THAT_NEVER_ENDS = """
import signal
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
import test_supervisor as t
from floodgate_local.progress import SilentProgress
# Whoever starts the tests in the background leaves SIGINT ignored, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)
slow = t.Server("one", script="import time; time.sleep(600)")
t.Rig(Path({state!r})).supervisor(slow).up(["one"], SilentProgress())
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_an_up_that_is_ended_on_the_way_leaves_nothing_that_down_does_not_find(rig: Rig, end: signal.Signals) -> None:
    script = _UP_THAT_NEVER_ENDS.format(folder=str(Path(__file__).parent), state=str(rig.state.root))
    command = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    try:
        _eventually(lambda: rig.state.record("one").exists(), "the component is on record")
        command.send_signal(end)
        command.wait(timeout=20)
    finally:
        command.kill()
        command.wait()
    assert len(_marked(rig.state)) == 1
    assert rig.supervisor(Server("one")).down() == ["one"]
    assert _marked(rig.state) == []


def test_a_component_has_its_own_session_and_log_and_the_stack_secrets_stay_out_of_it(rig: Rig) -> None:
    supervisor = rig.supervisor(Server("one"))
    supervisor.up(["one"], SilentProgress())
    pid = rig.record("one").pid
    assert os.getsid(pid) == pid
    command = " ".join(psutil.Process(pid).cmdline()) + rig.state.log("one").read_text()
    assert not [value for value in rig.state.secrets().values() if value in command]


def test_the_record_of_a_component_is_json_that_names_its_process(rig: Rig) -> None:
    rig.supervisor(Server("one")).up(["one"], SilentProgress())
    row = json.loads(rig.state.record("one").read_text())
    assert row["pid"] == rig.record("one").pid
    assert abs(row["started_at"] - time.time()) < 120
