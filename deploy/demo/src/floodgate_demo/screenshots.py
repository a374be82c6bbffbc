"""Pictures of the console with the demo's data: `python -m floodgate_demo.screenshots docs/images`."""

from __future__ import annotations

import re
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
from floodgate_local import Stack
from floodgate_local.progress import progress_for
from floodgate_local.state import default_state_dir
from keyflow.errors import FatalError

from floodgate_demo.runner import play, running
from floodgate_demo.scenario import load_scenario

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_CHROMIUM: Final = ("chromium", "chromium-headless-shell", "chromium-browser")
_FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
_WIDE: Final = 1280
_PHONE: Final = 390
_SETTLED_SECONDS: Final = 3.0


def main(folder: Path) -> None:
    """Runs the demo and takes the pictures.

    Raises:
        FatalError: There is no Chromium, or the demo fails.
    """
    path = next((found for name in _CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        raise FatalError("no Chromium is installed: apt-get install chromium")
    stack = Stack(default_state_dir() / "demo")
    with running(stack, progress_for(sys.stdout), _tell, time.monotonic()) as demo:
        play(demo, load_scenario())
        time.sleep(_SETTLED_SECONDS)  # what was written last shall be in the pictures
        take(path, demo.console_url, folder)


def take(chromium: str, url: str, folder: Path) -> None:
    """Takes the pictures of a running console."""
    # Here, so that the demo itself does without.
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS))
        for name, path in _pages(url).items():
            _shoot(browser, url + path, folder / f"console-{name}.png")
        _shoot(browser, f"{url}/?span=1h", folder / "console-dark.png", theme="dark")
        _shoot(browser, f"{url}/?span=1h", folder / "console-phone.png", width=_PHONE)
        browser.close()


def _pages(url: str) -> dict[str, str]:
    """Every picture's address; the conversation is the newest with the most records."""
    said = httpx.get(f"{url}/conversations", timeout=10.0).text
    found = re.findall(r'href="(/conversation\?id=[^"]+)"', said)
    longest = max(found, key=lambda path: httpx.get(url + path, timeout=10.0).text.count('class="hop '), default="/")
    return {
        "now": "/?span=1h",
        "conversation": longest,
        "firewall": "/firewall?span=1h",
        "agent": "/agent",
        "dead-letters": "/dead-letters",
    }


def _shoot(browser: Browser, url: str, path: Path, *, theme: str = "light", width: int = _WIDE) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 860}, color_scheme="dark" if theme == "dark" else "light"
    )
    page = context.new_page()
    page.goto(url)
    page.screenshot(path=path)
    context.close()
    _tell(f"{path}: {path.stat().st_size // 1024} KiB")


def _tell(said: str) -> None:
    sys.stdout.write(f"{said}\n")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images"))
    except FatalError as error:
        sys.exit(str(error))
