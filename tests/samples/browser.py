"""A headless Chromium for the tests of pages, driven by Selenium: one for all of them. ``browser`` is a fixture.

A test module takes it by ``pytest_plugins = ["tests.samples.browser"]``. Its tests are skipped where there is no browser.
"""

from __future__ import annotations

import os
import shutil
from typing import Any, Callable, Iterator, List

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = next(filter(None, map(shutil.which, ("chromedriver", "chromium.chromedriver"))), None)

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # as root it does not start with one; it is given pages of this machine alone
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,860",
)

PATIENCE = 10.0


class Page:
    """What the tests do with the one tab. ``driver`` is Selenium's own."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """A page in its first state: light, as wide as a desk's, online, with an empty console."""
        self.cdp("Network.enable")
        self.offline(False)
        self.prefer()
        self.cdp("Emulation.clearDeviceMetricsOverride")
        self.driver.get("about:blank")
        self.console()
        self.driver.get(url)

    def cdp(self, command: str, **parameters: Any) -> Any:
        """A command of the browser's own protocol."""
        return self.driver.execute_cdp_cmd(command, parameters)

    def prefer(self, scheme: str = "light", motion: str = "no-preference") -> None:
        """The reader's wishes: ``"light"`` or ``"dark"``; ``"reduce"`` for less motion."""
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": name, "value": value} for name, value in wishes.items()])

    def size(self, width: int, height: int) -> None:
        """As on a phone of so many pixels."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2, mobile=True)

    def offline(self, offline: bool) -> None:
        self.cdp("Network.emulateNetworkConditions", offline=offline, latency=0, downloadThroughput=-1, uploadThroughput=-1)

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a JavaScript expression, in which ``$`` finds an element."""
        return self.driver.execute_script(f"const $ = (css) => document.querySelector(css); return {script};", *arguments)

    def text(self, css: str) -> str:
        """What is to be read there; empty where it is hidden."""
        return str(self.run("$(arguments[0])?.innerText ?? ''", css))

    def until(self, met: Callable[[], Any], timeout: float = PATIENCE) -> Any:
        """The first true value of ``met()``."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, timeout, poll_frequency=0.02).until(lambda _: met())

    def press(self, *keys: str) -> None:
        """Keys, to whatever has the focus."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def console(self) -> List[str]:
        """What the browser complained of since the last look: errors, and what the page's policy kept from running."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def screenshot(self, name: str) -> None:
        """Kept where ``SCREENSHOTS`` names a folder, for people to look at."""
        folder = os.environ.get("SCREENSHOTS")
        if folder:
            self.driver.save_screenshot(os.path.join(folder, f"{name}.png"))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="the page is not tested: selenium is not installed")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("the page is not tested: install chromium and chromedriver (Debian: chromium chromium-driver)")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # With both paths given Selenium looks for nothing, and downloads nothing.
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield Page(driver)
    finally:
        driver.quit()
