"""A real browser: Debian's chromium, driven by Playwright. Where it is not installed, its tests are skipped and say so."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed; `apt-get install chromium` on Debian"
)

# A page of Dagster's UI at the size of a laptop.
_VIEW = {"width": 1440, "height": 900}


@contextmanager
def browsing(port: int) -> Iterator[Page]:
    """A fresh page of the UI on that port."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_page(base_url=f"http://127.0.0.1:{port}", viewport=_VIEW)  # type: ignore[arg-type]
            page.set_default_timeout(60_000)
            yield page
        finally:
            browser.close()


def picture(page: Page, path: Path) -> None:
    """A screenshot; kept small enough to live in a repository."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path)
