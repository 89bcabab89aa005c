"""Headless Chromium for the page's tests, and what they do where a tool is missing."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Playwright

CHROMIUM = shutil.which("chromium")
DISABLED_FEATURES = (
    # Each window would start a renderer for suggestions under its address bar: more work than the page itself.
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
    # What playwright disables itself: of two such flags Chromium takes the last alone.
    *("AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose"),
    *("HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "LensOverlay", "MediaRouter", "NetworkTimeServiceQuerying"),
    *("OptimizationHints", "PaintHolding", "PreconnectToSearch", "ThirdPartyStoragePartitioning", "AimEnabled"),
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(DISABLED_FEATURES)}",
)


def require(tool: str, found: object) -> None:
    """Skip aloud where a tool is missing; fail where that must not be (CI)."""
    if found:
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI needs {tool}")
    pytest.skip(f"the page's tests need {tool}")


@contextmanager
def open_browser(driver: Playwright, *flags: str) -> Generator[Browser]:
    """Headless Chromium."""
    require("Debian's chromium", CHROMIUM)
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
    try:
        yield browser
    finally:
        browser.close()
