"""The console as a process of its own on the real stack, behind a proxy that says who comes; and a browser."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from floodgate_local.state import free_ports
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from support.console_client import SECRET, Console, until

ROOT = Path(__file__).parents[3]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHROMIUM = ("chromium", "chromium-headless-shell", "chromium-browser")


@pytest.fixture(scope="session")
def console(stack_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    [port] = free_ports(1, set())
    index = f"console-test-{uuid4().hex[:8]}"
    env = {
        **os.environ,
        **stack_env,
        "FLOODGATE_CONSOLE_PORT": str(port),
        "FLOODGATE_CONSOLE_INDEX": index,
        "FLOODGATE_CONSOLE_ACCESS": "proxy",
        "FLOODGATE_CONSOLE_PROXY_SECRET": SECRET,
        "FLOODGATE_CONSOLE_REDRIVE_PER_SECOND": "500",
        "FLOODGATE_CATALOGUE_DIR": str(ROOT / "catalogue"),
    }
    log = tmp_path_factory.mktemp("console") / "console.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "console"], env=env, stdout=out, stderr=out, cwd=ROOT)
    made = Console(f"http://127.0.0.1:{port}", index, stack_env["FLOODGATE_OPENSEARCH_URL"])
    try:
        until(lambda: _answers(made, process, log), 180.0)
        yield made
        assert '"level": "error"' not in log.read_text(encoding="utf-8")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        _remove(made)


def _answers(made: Console, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text(encoding="utf-8")[-2000:]
    try:
        return httpx.get(f"{made.url}/healthz", timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


def _remove(made: Console) -> None:
    """Takes the test's indices away."""
    for name in httpx.get(f"{made.opensearch}/_alias", timeout=10.0).json():
        if name.startswith(made.index):
            httpx.delete(f"{made.opensearch}/{name}", timeout=10.0)


@pytest.fixture(scope="module")  # its event loop must not run under the asynchronous tests of other modules
def browser() -> Iterator[Browser]:
    path = os.environ.get("FLOODGATE_TEST_CHROMIUM") or next(
        (found for name in CHROMIUM if (found := shutil.which(name))), ""
    )
    if not path:
        pytest.skip("no Chromium is installed: apt-get install chromium, or name one in FLOODGATE_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield found
        found.close()


@dataclass
class Opened:
    """A page and what it complained of."""

    page: Page
    problems: list[str]


@pytest.fixture
def open_page(browser: Browser, console: Console) -> Iterator[Callable[..., Opened]]:
    """Opens a page as somebody, in a theme and a width; whatever the browser complains of fails the test."""
    contexts: list[BrowserContext] = []
    opened: list[Opened] = []

    def make(path: str, *, user: str = "mila", theme: str = "light", width: int = 1280) -> Opened:
        context = browser.new_context(
            base_url=console.url,
            viewport={"width": width, "height": 900},
            color_scheme=theme,  # type: ignore[arg-type]
            extra_http_headers=console.headers(user),
        )
        contexts.append(context)
        found = Opened(context.new_page(), [])
        found.page.on("console", lambda said: found.problems.append(said.text) if said.type == "error" else None)
        found.page.on("pageerror", lambda error: found.problems.append(str(error)))
        opened.append(found)
        found.page.goto(path)
        return found

    yield make
    for context in contexts:
        context.close()
    assert [problem for one in opened for problem in one.problems] == []
