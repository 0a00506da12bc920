"""Chromium without a network, and what the tests ask of every page. Debian's chromium, chromium-driver and
python3-selenium."""

import base64
import json
import os
import re
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PHONE, DESKTOP = (390, 844), (1440, 900)


def open_browser(network=False):
    """network: whether pages may talk to this machine; never to another."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--force-color-profile=srgb",
        "--host-resolver-rules=MAP * ~NOTFOUND" + (" , EXCLUDE 127.0.0.1" if network else ""),
        "--no-proxy-server" if network else "--proxy-server=127.0.0.1:9",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    driver.set_page_load_timeout(60)
    driver.set_script_timeout(120)
    return driver


def show(driver, size=DESKTOP, scheme="light", scale=1, motion="reduce"):
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": size[0], "height": size[1], "deviceScaleFactor": scale, "mobile": size[0] < 600},
    )
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {
            "features": [
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": motion},
            ]
        },
    )


def settle(driver):
    """Until two frames have been drawn."""
    driver.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()));"
    )


def wait(condition, seconds=10.0, what="what was waited for"):
    """The first true value of condition()."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {seconds} s")
        time.sleep(0.05)


def forget(driver):
    for kind in ("browser", "performance"):
        driver.get_log(kind)


def complaints(driver):
    """What the console holds that should not be: errors, and anything about the content security policy."""
    return [
        entry["message"]
        for entry in driver.get_log("browser")
        if entry["level"] == "SEVERE" or "Content Security Policy" in entry["message"]
    ]


def requests(driver):
    """Addresses of everything the page asked for since they were last read, data within the page aside."""
    found = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
            params = message["params"]
            url = params["request"]["url"] if "request" in params else params["url"]
            if not url.startswith(("data:", "blob:")):
                found.append(url)
    return found


def pdf(driver):
    answer = driver.execute_cdp_cmd(
        "Page.printToPDF", {"preferCSSPageSize": True, "paperWidth": 8.27, "paperHeight": 11.69}
    )
    return base64.b64decode(answer["data"])


def screenshot(driver, path, most=4000):
    """The page from its top, as far as `most` pixels down, as a small PNG."""
    width, height = driver.execute_script("return [innerWidth, document.documentElement.scrollHeight]")
    height = min(height, most)
    scheme = driver.execute_script("return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'")
    show(driver, (width, height), scheme)
    settle(driver)
    time.sleep(0.3)
    answer = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    Path(path).write_bytes(base64.b64decode(answer["data"]))
    try:
        from PIL import Image
    except ImportError:
        return
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def axe_source():
    """axe-core, the judge of accessibility: its text, or None."""
    path = os.environ.get("OC_AXE", "")
    return Path(path).read_text(encoding="utf-8") if path and Path(path).is_file() else None


def axe(driver, source):
    """What axe-core finds that is serious or critical: a list of texts."""
    driver.execute_script(source)
    result = driver.execute_async_script(
        "const done = arguments[0], failed = (error) => done({error: String(error)});"
        "axe.run(document, {resultTypes: ['violations']}).then(done, failed);"
    )
    if "error" in result:
        raise AssertionError(result["error"])
    return [
        f"{one['impact']} {one['id']}: {one['help']}\n"
        + "\n".join(
            f"    {node['target']} {re.sub(chr(10), ' ', node['failureSummary'] or '')[:300]}"
            for node in one["nodes"][:4]
        )
        for one in result["violations"]
        if one["impact"] in ("serious", "critical")
    ]
