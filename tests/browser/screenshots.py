#!/usr/bin/env python3
"""Pictures of all pages, phone and desktop, light and dark: screenshots.py FOLDER"""

import os
import sys
from pathlib import Path

import browser
import test_command

# Folders of a study and of its data to show; pictures.yaml, which takes some minutes to train, unless given.
STUDY, DATA = os.environ.get("OC_STUDY", ""), os.environ.get("OC_DATA", "")


def take(driver, folder, name, address, before=None):
    for kind, size in (("phone", browser.PHONE), ("desktop", browser.DESKTOP)):
        for scheme in ("light", "dark"):
            browser.show(driver, size=size, scheme=scheme)
            driver.get(address)
            browser.settle(driver)
            if before:
                before(driver)
            path = folder / f"{name}-{kind}-{scheme}.png"
            browser.screenshot(driver, path, most=2 * size[1])
            print(f"{path}: {path.stat().st_size // 1000} kB")


def details(driver):
    """The part about the best weights, from its top."""
    driver.execute_script(
        "document.querySelectorAll('.head, #runs, .with-rail, #ensemble').forEach((one) => one.remove())"
    )


def train():
    """Its data and its folder."""
    folder = test_command.WORK / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    data, study = folder / "data", folder / "study"
    if not data.exists():
        test_command.ocelli("data", "demo", data, "--classes", 10, "--per-class", 150)
    recipe = Path(__file__).parent / "pictures.yaml"
    test_command.ocelli("study", recipe, "--data", data, "--out", study, "--cache", folder / "cache")
    return data, study


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    driver = browser.open_browser(network=True)
    try:
        data, study = (Path(DATA), Path(STUDY)) if STUDY else train()
        report, weights = study / "report.html", study / "ensemble" / "best.safetensors"
        images = sorted((data / "val" / "images").glob("*.JPEG"))
        test_command.ocelli("report", study, "--stored", "--out", report)
        take(driver, folder, "report", report.resolve().as_uri())
        take(driver, folder, "report-weights", report.resolve().as_uri(), details)
        if not test_command.serves():
            return
        server = test_command.Served("--runs", study, "--weights", weights)
        try:

            def classify(page):
                page.find_element("css selector", "input[type=file]").send_keys(str(images[0].resolve()))
                browser.wait(lambda: page.find_elements("css selector", "#guesses .guess"), what="guesses")

            take(
                driver,
                folder,
                "live",
                server.address,
                lambda page: browser.wait(
                    lambda: page.find_element("css selector", "#live").text == "connected", what="the connection"
                ),
            )
            take(driver, folder, "classify", server.address + "classify", classify)
        finally:
            server.stop()
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
