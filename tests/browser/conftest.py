"""A real Chromium that opens our pages: `make test-browser`, which installs it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

PICTURES = Path(__file__).parents[2] / ".cache" / "browser"  # to be looked at
# Debian's plays H.264, as people's browsers do; the build that Playwright brings does not.
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# Within a container there is no second one around each page; and no name leads anywhere.
FLAGS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


class Visits:
    """Opens pages, and keeps what no page of ours may do."""

    def __init__(self, browser: Browser):
        self.browser = browser
        self.left: list[str] = []  # requests to elsewhere
        self.said: list[str] = []  # in the console, by pages and scripts

    def open(
        self,
        address: str | Path,
        *,
        dark: bool = False,
        width: int = 1280,
        height: int = 900,
        phone: bool = False,
    ) -> Page:
        """A page, loaded; a file's with the network off, another's with its own server alone."""
        url = address.resolve().as_uri() if isinstance(address, Path) else address
        page = self.browser.new_page(
            color_scheme="dark" if dark else "light",
            viewport={"width": width, "height": height},
            offline=isinstance(address, Path),
            is_mobile=phone,
            has_touch=phone,
        )
        page.on("request", lambda request: self._note(request, url))
        page.on("console", lambda told: self.said.append(told.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        page.goto(url)
        return page

    def _note(self, request: Request, url: str) -> None:
        here, there = urlsplit(url), urlsplit(request.url)
        own = request.url == url if here.scheme == "file" else here[:2] == there[:2]
        if not own and there.scheme not in ("data", "blob"):
            self.left.append(request.url)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    assert CHROMIUM, "there is no chromium; `make test-browser` installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visits(chromium: Browser) -> Iterator[Visits]:
    """Who opens pages; at the end nothing has left them, and no console has said anything."""
    made = Visits(chromium)
    yield made
    for context in chromium.contexts:
        context.close()
    assert (made.left, made.said) == ([], [])


@pytest.fixture
def pictured() -> Callable[[Page, str], Path]:
    """Takes a picture of a whole page into .cache/browser, for people to look at."""

    def take(page: Page, name: str) -> Path:
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{name}.png"
        page.screenshot(path=path, full_page=True, timeout=120_000)  # drawn without a GPU
        return path

    return take
