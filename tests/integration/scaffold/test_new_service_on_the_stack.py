"""A service that has nothing to do with support: made in a copy of the checkout, checked as the rest, and run."""

from __future__ import annotations

import pytest
from floodgate_local.stack import Stack
from support.scaffolded import Copy, copy_checkout

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
_MAKE = "import typer; from floodgate.scaffold.cli import new_service; typer.run(new_service)"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Sensors of a warehouse: a model labels each reading, and the state knows how many there were."""
    made = copy_checkout(tmp_path_factory.mktemp("checkout"))
    done = made.run(
        *("-c", _MAKE, "warehouse", "--reads", "warehouse.readings", "--writes", "warehouse.findings"),
        *("--key", "sensor_id", "--model", "--state"),
    )
    assert done.returncode == 0, done.stderr
    assert "deploy/compose, deploy/kubernetes" in done.stdout.partition("Yours to fill in")[2]
    return made


def passes(copy: Copy, *arguments: str, **env: str) -> None:
    done = copy.run(*arguments, **env)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_the_new_service_passes_what_every_commit_passes(copy: Copy) -> None:
    passes(copy, "-m", "ruff", "check", "-q", ".")
    passes(copy, "-m", "ruff", "format", "-q", "--check", ".")
    passes(copy, "-m", "floodgate.cli.main", "schemas", "check")
    passes(copy, "-m", "mypy", "services/warehouse/src")
    rooms = ["warehouse", "observability", "events", "cli/test_boundaries.py", "cli/test_docs.py"]
    # Where it runs is a person's decision: compose and Kubernetes are among what the command names as theirs.
    rooms.append("deploy/test_image_locks.py")
    passes(copy, "-m", "pytest", "-q", *(f"tests/unit/{room}" for room in rooms), "tests/contract/schemas")


def test_on_the_stack_a_record_goes_in_one_comes_out_and_a_broken_one_is_a_dead_letter(
    copy: Copy, local_stack: Stack
) -> None:
    passes(copy, "-m", "pytest", "-q", "tests/integration/warehouse", FLOODGATE_TEST_STATE=str(local_stack.state_dir))
