"""What the command makes and serves: a report of a study, the page of a run that trains, and classifying."""

import json
import os
import re
import signal
import subprocess
import time
import unittest
from pathlib import Path

from selenium.webdriver.common.by import By

import browser
from test_report import THIN, Page, metrics_csv

COMMAND = os.environ.get("OC_COMMAND", "")
WORK = Path(os.environ.get("OC_WORK", "."))
STUDY = """set:
  model.name: myresnet-tiny
  data.size: 32
  data.holdout: 0.1
  data.augment: false
  mixup.alpha: 0
  train.batch_size: 16
  train.epochs: 3
runs:
  - name: plain
  - name: mixup
    set: {mixup.alpha: 0.2}
    seeds: [0, 1]
ensemble:
  method: weighted
  fit_on: holdout
"""


def ocelli(*arguments, **how):
    done = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, **how)
    if done.returncode != 0:
        raise AssertionError(f"ocelli {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")
    return done.stdout


def make():
    """The study, trained once, and its report, written by the command as it is now: the data and the study's folder."""
    data, study = WORK / "data", WORK / "study"
    if not (study / "ensemble" / "best.safetensors").exists():
        WORK.mkdir(parents=True, exist_ok=True)
        if not data.exists():
            ocelli("data", "demo", data, "--classes", 6, "--per-class", 50)
        (WORK / "study.yaml").write_text(STUDY, encoding="utf-8")
        ocelli("study", WORK / "study.yaml", "--data", data, "--out", study, "--cache", WORK / "cache")
    ocelli("report", study, "--out", study / "report.html", "--cache", WORK / "cache")
    return data, study


@unittest.skipUnless(COMMAND, "there is no command (OC_COMMAND)")
class Report(Page):
    @classmethod
    def setUpClass(cls):
        cls.folder, cls.study = make()
        super().setUpClass()

    def setUp(self):
        browser.show(self.driver)
        self.driver.get("about:blank")
        browser.forget(self.driver)
        self.driver.get((self.study / "report.html").as_uri())
        browser.settle(self.driver)

    def test_nothing_is_asked_of_the_network_and_nothing_fails(self):
        self.assertEqual(browser.complaints(self.driver), [])
        self.assertEqual(browser.requests(self.driver), [(self.study / "report.html").as_uri()])

    def test_it_holds_what_the_command_prints(self):
        printed = json.loads(ocelli("report", self.study, "--json", "--stored"))
        page = json.loads(self.js("return document.getElementById('data').textContent"))
        for one in (printed, page):
            one.pop("title")
        self.assertEqual(page["runs"], printed["runs"])
        self.assertEqual(
            sorted(run["name"] for run in page["runs"]), ["ensemble", "mixup-seed0", "mixup-seed1", "plain"]
        )

    def test_hovered_values_are_those_of_metrics_csv(self):
        for chart, show in (
            ("val_top1", lambda y: f"{100 * y:.2f}{THIN}%"),
            ("val_loss", lambda y: f"{y:.4f}"),
            ("train_loss", lambda y: f"{y:.4f}"),
        ):
            for epoch in (1, 3):
                _, title, lines = self.hover(chart, epoch)
                self.assertEqual(title, [f"Epoch {epoch}"])
                for name in ("plain", "mixup-seed0", "mixup-seed1"):
                    value = metrics_csv(self.study / name / "metrics.csv")[chart][epoch]
                    self.assertIn(f" {name}: {show(value)}", lines)

    def test_the_table_says_what_study_json_says(self):
        rows = {row["name"]: row for row in json.loads((self.study / "study.json").read_text(encoding="utf-8"))["rows"]}
        for name, figures in self.js(
            "return Array.from(document.querySelectorAll('table.runs tbody tr'),"
            "(row) => [row.querySelector('a').textContent, row.children[1].textContent])"
        ):
            row = rows[name]
            self.assertEqual(
                figures, f"{100 * row['top1']:.1f}{THIN}% {100 * row['top1_low']:.1f}\u2013{100 * row['top1_high']:.1f}"
            )

    def test_a_run_is_switched_off(self):
        self.find("input[data-run='mixup-seed0']").click()
        browser.settle(self.driver)
        self.assertNotIn("mixup-seed0", self.labels())
        self.assertIn("mixup-seed1", self.labels())

    def test_accessibility(self):
        if self.axe is None:
            self.skipTest("axe-core is not here (OC_AXE): its judgement is left out")
        for scheme in ("light", "dark"):
            browser.show(self.driver, scheme=scheme)
            self.assertEqual(browser.axe(self.driver, self.axe), [])


class Served:
    """`ocelli serve`, on a port that is free."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [COMMAND, "serve", "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        line = ""
        while "http://" not in line:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError("ocelli serve ended before it said where it serves")
        self.address = re.search(r"http://\S+", line).group(0)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.process.stdout.close()


def serves():
    return COMMAND and subprocess.run([COMMAND, "serve", "--help"], capture_output=True, check=False).returncode == 0


@unittest.skipUnless(serves(), "the command has no serve")
class Serve(Page):
    @classmethod
    def setUpClass(cls):
        cls.folder, cls.study = make()
        cls.weights = cls.study / "ensemble" / "best.safetensors"
        cls.runs = WORK / "runs"
        cls.runs.mkdir(exist_ok=True)
        cls.server = Served("--runs", cls.runs, "--weights", cls.weights)
        cls.driver = browser.open_browser(network=True)
        cls.axe = browser.axe_source()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.server.stop()

    def setUp(self):
        browser.show(self.driver)
        self.driver.get("about:blank")
        browser.forget(self.driver)

    def test_points_of_a_training_run_arrive(self):
        run = self.runs / f"live-{os.getpid()}"
        self.driver.get(self.server.address)
        browser.wait(lambda: self.text("#live") == "connected", what="the connection")
        self.js("window.same = true")
        training = subprocess.Popen(
            [
                COMMAND,
                "train",
                "--data",
                str(self.folder),
                "--cache",
                str(WORK / "cache"),
                "--model",
                "seresnet18",
                "--size",
                "32",
                "--batch-size",
                "16",
                "--epochs",
                "4",
                "--out",
                str(run),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        seen = 0
        late = []
        try:
            while seen < 5:
                ended = training.poll() is not None
                rows = 0
                if (run / "metrics.csv").exists():
                    rows = len((run / "metrics.csv").read_text(encoding="utf-8").splitlines()) - 1
                if rows > seen:
                    written = time.monotonic()
                    browser.wait(
                        lambda: len(
                            self.js(
                                "const chart = ocelli.curves.chart('val_top1');"
                                "const set = chart && chart.data.datasets.find((one) => one.label === arguments[0]);"
                                "return set ? set.data : []",
                                run.name,
                            )
                        )
                        >= rows,
                        10,
                        f"point {rows}",
                    )
                    late.append(time.monotonic() - written)
                    seen = rows
                elif ended:
                    break
                time.sleep(0.1)
            training.wait(60)
        finally:
            if training.poll() is None:
                training.kill()
            training.wait()
        self.assertEqual(training.returncode, 0)
        self.assertEqual(seen, 5)
        self.assertLess(max(late), 2.0, late)
        self.assertTrue(self.js("return window.same"), "the page was loaded anew")
        recorded = metrics_csv(run / "metrics.csv")["val_top1"]
        shown = [y for _, y in self.points(run.name)]
        self.assertEqual([round(y, 6) for y in shown], [round(y, 6) for y in recorded])
        self.assertEqual(browser.complaints(self.driver), [])
        self.assertTrue(all(url.startswith(self.server.address) for url in browser.requests(self.driver)))

    def check_guesses(self, image):
        told = json.loads(ocelli("predict", "--weights", self.weights, image, "--top-k", 5, "--format", "json"))
        while isinstance(told, list) or "predictions" not in told:
            told = (
                told[0] if isinstance(told, list) else next(value for value in told.values() if isinstance(value, list))
            )
        expected = [[one["class"], f"{100 * one['probability']:.2f}{THIN}%"] for one in told["predictions"]]
        shown = browser.wait(
            lambda: self.js(
                "return Array.from(document.querySelectorAll('#guesses .guess'),"
                "(one) => [one.dataset.class, one.querySelector('.share').textContent])"
            ),
            what="guesses",
        )
        self.assertEqual(shown, expected)

    def images(self):
        return sorted((self.folder / "val" / "images").glob("*.JPEG")) or sorted(self.folder.glob("val/**/*.*"))

    def test_an_image_is_dropped_and_chosen(self):
        first, second = self.images()[:2]
        self.driver.get(self.server.address + "classify")
        # What a drop is made of can only be made by the page itself: the file comes from its own input.
        field = self.find("input[type=file]")
        self.js(
            "const input = document.createElement('input'); input.type = 'file'; input.id = 'test-file';"
            "document.body.append(input)"
        )
        self.find("#test-file").send_keys(str(first.resolve()))
        self.js(
            "const transfer = new DataTransfer(); transfer.items.add(document.querySelector('#test-file').files[0]);"
            "const drop = new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true});"
            "document.querySelector('#drop').dispatchEvent(drop)"
        )
        self.check_guesses(first)
        self.js("document.querySelector('#guesses').replaceChildren()")
        field.send_keys(str(second.resolve()))
        self.check_guesses(second)
        self.assertEqual(browser.complaints(self.driver), [])

    def test_where_something_is_seen(self):
        self.driver.get(self.server.address + "classify")
        self.find("input[type=file]").send_keys(str(self.images()[0].resolve()))
        button = browser.wait(lambda: self.all("#guesses button"), what="guesses")[0]
        button.click()
        browser.wait(
            lambda: self.find("#veil").is_displayed() or self.text("#where").strip().endswith("."), 30, "the overlay"
        )
        self.assertEqual(browser.complaints(self.driver), [])

    def test_what_is_no_image(self):
        bad = WORK / "no-image.jpg"
        bad.write_text("this is no image", encoding="utf-8")
        self.driver.get(self.server.address + "classify")
        self.find("input[type=file]").send_keys(str(bad.resolve()))
        browser.wait(lambda: self.find("#problem").is_displayed(), what="the reason")

    def test_nothing_sticks_out(self):
        for size in ((360, 740), browser.DESKTOP):
            for page in ("", "classify"):
                browser.show(self.driver, size=size)
                self.driver.get(self.server.address + page)
                browser.settle(self.driver)
                self.assertLessEqual(self.js("return document.scrollingElement.scrollWidth"), size[0])

    def test_accessibility(self):
        if self.axe is None:
            self.skipTest("axe-core is not here (OC_AXE): its judgement is left out")
        for scheme in ("light", "dark"):
            for page in ("", "classify"):
                with self.subTest(page or "runs", scheme=scheme):
                    browser.show(self.driver, scheme=scheme)
                    self.driver.get(self.server.address + page)
                    browser.settle(self.driver)
                    if page:
                        self.find("input[type=file]").send_keys(str(self.images()[0].resolve()))
                        browser.wait(
                            lambda: self.driver.find_elements(By.CSS_SELECTOR, "#guesses .guess"), what="guesses"
                        )
                    self.assertEqual(browser.axe(self.driver, self.axe), [])


del Page  # its tests are none

if __name__ == "__main__":
    unittest.main(verbosity=1)
