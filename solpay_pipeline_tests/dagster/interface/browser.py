"""A real browser: the system's chromium, driven by Playwright.

Where there is none its tests are skipped and say so; with SOLPAY_BROWSER_TESTS=required they fail.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")

# Set it to docs/images to make the pictures of the runbook anew.
PICTURES = "SOLPAY_TEST_PICTURES"

# A page of Dagster's UI at the size of a laptop.
_VIEW = {"width": 1440, "height": 900}

# On a busy machine a page takes its time.
_PATIENCE_MS = 120_000

# What slides or fades in is at rest by then.
_STILL_MS = 1_000

_LARGEST_PICTURE = 300_000


@contextmanager
def browsing(port: int) -> Iterator[Page]:
    """A fresh page of the UI on that port."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        try:
            page = browser.new_page(base_url=f"http://127.0.0.1:{port}", viewport=_VIEW)  # type: ignore[arg-type]
            page.set_default_timeout(_PATIENCE_MS)
            yield page
        finally:
            browser.close()


def picture(page: Page, name: str, folder: Path) -> None:
    """A screenshot into `folder`, or where the pictures of the runbook are; small enough to live in a repository."""
    page.wait_for_timeout(_STILL_MS)
    shot = page.screenshot()
    assert len(shot) < _LARGEST_PICTURE, f"{name} has {len(shot)} bytes"
    folder = Path(os.environ.get(PICTURES) or folder)
    folder.joinpath(f"{name}.png").write_bytes(shot)


def _chromium() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = "there is no chromium here; Debian has it as the package chromium"
        if os.environ.get("SOLPAY_BROWSER_TESTS") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    return found
