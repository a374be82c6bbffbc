"""The stack as an object: what the demo, the tests and the command line use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType

from floodgate_local.artifacts import Homes
from floodgate_local.components import COMPONENTS, Component
from floodgate_local.environment import stack_env
from floodgate_local.errors import StackError, explain_os_error
from floodgate_local.java import check_platform
from floodgate_local.progress import SilentProgress, StackProgress
from floodgate_local.state import StateDir, default_state_dir, read_env
from floodgate_local.supervisor import ComponentStatus, HomeSource, Supervisor

ALL_COMPONENTS: tuple[str, ...] = tuple(component.name for component in COMPONENTS)


class Stack:
    """One local stack, which lives in one state folder.

    As a context manager it is up inside and down afterwards, its data kept.

    Args:
        state_dir: The folder; without it `FLOODGATE_STATE`, else `.floodgate` in the repository root.
        only: The components to run; without it all of them.
        homes: Where JVM components are installed; without it the user's cache.
        components: The kinds of component there are.
    """

    def __init__(
        self,
        state_dir: Path | None = None,
        *,
        only: Iterable[str] | None = None,
        homes: HomeSource | None = None,
        components: Sequence[Component] = COMPONENTS,
    ) -> None:
        self._state = StateDir(state_dir or default_state_dir())
        self._components = components
        self._homes: HomeSource = homes or _DeferredHomes()
        self._supervisor = Supervisor(self._state, components, self._homes, stack_env)
        self._names = _checked(only, [component.name for component in components])

    def __enter__(self) -> Stack:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def state_dir(self) -> Path:
        """The folder with env file, logs and data."""
        return self._state.root

    @property
    def env_file(self) -> Path:
        """The env file, for a shell (`set -a; . path`) or `env()`."""
        return self._state.env_file

    def up(self, progress: StackProgress | None = None, *, fresh: bool = False) -> list[str]:
        """Start what does not run and wait until all of it answers.

        Args:
            progress: Whom to tell.
            fresh: Stop everything and remove its data first.

        Returns:
            The names of what was started; empty when everything ran already.

        Raises:
            StackError: One line that names the place and the remedy; nothing is left half-installed.
        """
        told = progress or SilentProgress()
        check_platform()
        with told.live(), self._exclusive(told):
            if fresh:
                self._supervisor.down()
                self._state.purge()
            return self._supervisor.up(self._names, told)

    def fetch(self, names: Sequence[str], progress: StackProgress | None = None) -> None:
        """Fetch what is needed to start, without starting anything.

        Args:
            names: Homes: JVM components, "encoder".
            progress: Whom to tell.

        Raises:
            StackError: Something cannot be fetched or written.
        """
        told = progress or SilentProgress()
        with told.live():
            self._homes.ensure(names, told)

    def down(self, progress: StackProgress | None = None, *, purge: bool = False) -> list[str]:
        """Stop everything and return the names of what ran.

        Args:
            progress: Whom to tell.
            purge: Remove data, logs, ports and secrets too.

        Raises:
            StackError: A file of the state folder cannot be written.
        """
        if not self._state.root.exists():
            return []
        with self._exclusive(progress or SilentProgress()):
            stopped = self._supervisor.down()
            if purge:
                self._state.purge()
            return stopped

    def restart(self, name: str, progress: StackProgress | None = None) -> None:
        """Stop a component and start it again on the same port, with its data.

        Raises:
            StackError: It does not come up again.
        """
        _checked([name], [component.name for component in self._components])
        told = progress or SilentProgress()
        with told.live(), self._exclusive(told):
            self._supervisor.down([name])
            self._supervisor.up([name], told)

    def kill(self, name: str) -> None:
        """End a component at once, as a crash would; `up` or `restart` brings it back."""
        _checked([name], [component.name for component in self._components])
        self._supervisor.kill(name)

    def status(self) -> list[ComponentStatus]:
        """How every component does."""
        return self._supervisor.status()

    def env(self) -> dict[str, str]:
        """The values of the env file."""
        return read_env(self._state.env_file)

    def set_env(self, values: Mapping[str, str]) -> None:
        """Add values to the env file, as the deploy step does with what it created; `up` keeps them."""
        with self._exclusive(SilentProgress()):
            self._state.write_env(values)

    def rss_bytes(self) -> int:
        """Resident memory of all components together."""
        return sum(status.rss_bytes for status in self.status())

    def log_tail(self, name: str, lines: int = 50) -> str:
        """The last lines of a component's log."""
        return self._supervisor.log_tail(name, lines)

    @contextmanager
    def _exclusive(self, progress: StackProgress) -> Iterator[None]:
        """One command at a time; an error of the operating system becomes one line with a remedy."""
        try:
            with self._state.exclusive(lambda: progress.note("waiting for another command on this stack")):
                yield
        except OSError as error:
            raise explain_os_error(error, self._state.root) from error


class _DeferredHomes:
    """The user's cache, looked at on first use: stopping a stack needs no lock of JVM parts."""

    @cached_property
    def _homes(self) -> Homes:
        return Homes.default()

    def path(self, component: str) -> Path:
        return self._homes.path(component)

    def ensure(self, components: Sequence[str], progress: StackProgress) -> None:
        self._homes.ensure(components, progress)


def _checked(names: Iterable[str] | None, known: Sequence[str]) -> list[str]:
    if names is None:
        return list(known)
    wanted = list(names)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise StackError(f"There is no component {unknown[0]!r}", f"the stack has {', '.join(known)}")
    return [name for name in known if name in wanted]
