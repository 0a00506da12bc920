"""The report's page over invented reports (samples.py): opened from a file, without a network."""

import csv
import json
import os
import re
import unittest
from pathlib import Path

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

import browser

FOLDER = Path(os.environ["OC_SAMPLES"])
CASES = sorted(path.stem for path in FOLDER.glob("*.json"))
THIN = "\u202f"


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.driver = browser.open_browser()
        cls.axe = browser.axe_source()

    @classmethod
    def tearDownClass(cls):
        cls.driver.quit()

    def open(self, case, **how):
        browser.show(self.driver, **how)
        self.driver.get("about:blank")
        browser.forget(self.driver)
        self.driver.get((FOLDER / f"{case}.html").as_uri())
        browser.settle(self.driver)
        return json.loads((FOLDER / f"{case}.json").read_text(encoding="utf-8"))

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.js("return document.querySelector(arguments[0]).textContent", selector)

    def press(self, *keys):
        chain = ActionChains(self.driver, duration=0)
        for key in keys:
            chain.send_keys(key)
        chain.perform()
        browser.settle(self.driver)

    def focus(self, selector):
        self.js("document.querySelector(arguments[0]).focus()", selector)
        self.assertTrue(
            self.js("return document.activeElement === document.querySelector(arguments[0])", selector),
            f"{selector} takes no focus",
        )

    def labels(self, chart="val_top1"):
        return self.js(
            "return ocelli.curves.chart(arguments[0]).data.datasets.filter((set) => !set.quiet).map((set) => set.label)",
            chart,
        )

    def points(self, run, chart="val_top1"):
        return self.js(
            "const set = ocelli.curves.chart(arguments[1]).data.datasets.find((one) => one.label === arguments[0]);"
            "return set.data.map((point) => [point.x, point.y])",
            run,
            chart,
        )

    def hover(self, chart, x):
        """Moves the mouse to x on a chart; the tooltip's title and lines."""
        self.js(
            "ocelli.curves.chart(arguments[0]).canvas.scrollIntoView({block: 'center', behavior: 'instant'})", chart
        )
        browser.settle(self.driver)
        canvas, where = self.js(
            "const chart = ocelli.curves.chart(arguments[0]), {top, bottom} = chart.chartArea;"
            "const x = chart.scales.x.getPixelForValue(arguments[1]), y = (top + bottom) / 2;"
            "return [chart.canvas, [x - chart.width / 2, y - chart.height / 2]]",
            chart,
            x,
        )
        ActionChains(self.driver, duration=0).move_to_element_with_offset(
            canvas, round(where[0]), round(where[1])
        ).perform()
        browser.settle(self.driver)
        return self.js(
            "const {tooltip} = ocelli.curves.chart(arguments[0]);"
            "return [tooltip.opacity, tooltip.title, tooltip.body.flatMap((part) => part.lines)]",
            chart,
        )


class EveryCase(Page):
    """What holds of all reports."""

    def test_nothing_is_asked_of_the_network_and_nothing_fails(self):
        for case in CASES:
            with self.subTest(case):
                self.open(case)
                self.assertEqual(browser.complaints(self.driver), [])
                self.assertEqual(browser.requests(self.driver), [(FOLDER / f"{case}.html").as_uri()])
                self.assertTrue(self.text("h1"))

    def test_the_policy_lets_nothing_out(self):
        self.open("study")
        self.js(
            "window.sent = []; fetch('http://127.0.0.1:9/x').catch((error) => window.sent.push('refused'));"
            "const image = new Image(); image.src = 'http://127.0.0.1:9/y.png'; document.body.append(image);"
            "const script = document.createElement('script'); script.textContent = 'window.sent.push(\"ran\")';"
            "document.body.append(script);"
        )
        browser.settle(self.driver)
        self.assertEqual(self.js("return window.sent"), ["refused"])
        self.assertGreaterEqual(len(browser.complaints(self.driver)), 3)

    def test_size_without_images(self):
        for case in CASES:
            with self.subTest(case):
                text = (FOLDER / f"{case}.html").read_text(encoding="utf-8")
                self.assertLess(len(re.sub(r"data:image/(?!svg)[^\"]*", "", text).encode()), 1_500_000)

    def test_nothing_sticks_out(self):
        for size in ((360, 740), browser.PHONE, (768, 1024), browser.DESKTOP, (1920, 1080)):
            for case in CASES:
                with self.subTest(case, width=size[0]):
                    self.open(case, size=size)
                    width = self.js("return document.scrollingElement.scrollWidth")
                    self.assertLessEqual(width, size[0])

    def test_accessibility(self):
        if self.axe is None:
            self.skipTest("axe-core is not here (OC_AXE): its judgement is left out")
        for scheme in ("light", "dark"):
            for case in CASES:
                with self.subTest(case, scheme=scheme):
                    self.open(case, scheme=scheme)
                    self.assertEqual(browser.axe(self.driver, self.axe), [])
        with self.subTest("on a phone, with everything open"):
            self.open("one-epoch", size=browser.PHONE)
            self.js("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            browser.settle(self.driver)
            self.assertEqual(browser.axe(self.driver, self.axe), [])

    def test_headings_are_in_order(self):
        for case in CASES:
            with self.subTest(case):
                self.open(case)
                levels = self.js(
                    "return Array.from(document.querySelectorAll('h1, h2, h3, h4'), (one) => Number(one.tagName[1]))"
                )
                self.assertEqual(levels[0], 1)
                self.assertEqual(levels.count(1), 1)
                for before, after in zip(levels, levels[1:]):
                    self.assertLessEqual(after, before + 1)

    def test_every_picture_has_a_text(self):
        for case in CASES:
            with self.subTest(case):
                self.open(case)
                self.assertEqual(
                    self.js(
                        "return Array.from(document.querySelectorAll('img'), (one) => one.alt)"
                        ".filter((alt) => !/: true .*, guessed .* with .*%/s.test(alt))"
                    ),
                    [],
                )
                self.assertEqual(
                    self.js(
                        "const bare = (one) => one.getAttribute('role') !== 'img' || !(one.ariaLabel || '').trim();"
                        "return Array.from(document.querySelectorAll('section:not([hidden]) canvas')).filter(bare).length"
                    ),
                    0,
                )

    def test_it_prints(self):
        for case in CASES:
            with self.subTest(case):
                self.open(case, scheme="dark")
                paper = browser.pdf(self.driver)
                self.assertTrue(paper.startswith(b"%PDF"))
                self.assertLessEqual(len(re.findall(rb"/Type\s*/Page\b", paper)), 25)
                self.assertEqual(browser.complaints(self.driver), [])
                # What it looked like before is back.
                self.assertEqual(self.js("return document.documentElement.dataset.theme"), "dark")


class Curves(Page):
    def test_hovered_values_are_those_recorded(self):
        data = self.open("study")
        for chart, show in (
            ("val_top1", lambda y: f"{100 * y:.2f}{THIN}%"),
            ("val_loss", lambda y: f"{y:.4f}"),
            ("train_loss", lambda y: f"{y:.4f}"),
            ("images_per_second", lambda y: f"{y:.1f}"),
        ):
            for epoch in (1, 12, 39):
                with self.subTest(chart, epoch=epoch):
                    opacity, title, lines = self.hover(chart, epoch)
                    self.assertEqual((opacity, title), (1, [f"Epoch {epoch}"]))
                    for run in data["runs"][:6]:
                        self.assertIn(f" {run['name']}: {show(run['metrics'][chart][epoch])}", lines)

    def test_one_place_is_marked_in_all_charts(self):
        self.open("study")
        self.hover("val_top1", 20)
        self.assertEqual(self.js("return ocelli.curves.chart('val_top1').at"), 20)

    def test_arrow_keys_read_values(self):
        data = self.open("study")
        self.focus("figure[data-plot=val_top1] .plot")
        self.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        said = self.text("#readout")
        self.assertTrue(said.startswith("Epoch 1;"), said)
        self.assertIn(f"seresnet18: {100 * data['runs'][2]['metrics']['val_top1'][1]:.2f}{THIN}%", said)
        self.press(Keys.END)
        self.assertTrue(self.text("#readout").startswith("Epoch 40;"))
        self.press(Keys.ESCAPE)
        self.assertEqual(self.js("return ocelli.curves.chart('val_top1').tooltip.opacity"), 0)

    def test_a_run_is_switched_off_and_on(self):
        self.open("study")
        self.assertIn("seresnet18", self.labels())
        box = self.find("input[data-run='seresnet18']")
        box.click()
        browser.settle(self.driver)
        for chart in ("val_top1", "val_loss", "train_loss", "train_top1", "step_loss", "step_lr", "images_per_second"):
            self.assertNotIn("seresnet18", self.labels(chart))
        self.assertNotIn("seresnet18", self.js("return ocelli.time.charts()[1].data.labels"))
        self.focus("input[data-run='seresnet18']")
        self.press(Keys.SPACE)
        self.assertIn("seresnet18", self.labels())
        self.find(".buttons button:nth-child(2)").click()
        browser.settle(self.driver)
        self.assertEqual(self.labels(), [])
        self.assertEqual(browser.complaints(self.driver), [])

    def test_the_epochs_shown(self):
        self.open("study")
        self.focus("#epoch-from")
        self.press(*[Keys.ARROW_RIGHT] * 10)
        self.focus("#epoch-to")
        self.press(*[Keys.ARROW_LEFT] * 15)
        xs = [x for x, _ in self.points("seresnet34")]
        self.assertEqual((xs[0], xs[-1]), (10, 25))
        self.assertIn("10\u201325", self.text(".rail"))
        # The ends do not pass each other.
        self.focus("#epoch-from")
        self.press(Keys.END)
        self.assertEqual([x for x, _ in self.points("seresnet34")], [24, 25])

    def test_smoothing_is_a_moving_average_without_bias(self):
        data = self.open("study")
        self.js(
            "const input = document.querySelector('#smoothing'); input.value = '0.6'; input.dispatchEvent(new Event('input'))"
        )
        browser.settle(self.driver)
        total, expected = 0.0, []
        for i, value in enumerate(data["runs"][5]["metrics"]["val_top1"]):
            total = 0.6 * total + 0.4 * value
            expected.append(total / (1 - 0.6 ** (i + 1)))
        got = [y for _, y in self.points("seresnet34")]
        self.assertEqual(len(got), len(expected))
        for a, b in zip(got, expected):
            self.assertAlmostEqual(a, b, places=12)
        faint = self.js("return ocelli.curves.chart('val_top1').data.datasets.filter((set) => set.quiet).length")
        self.assertEqual(faint, 6)

    def test_over_time(self):
        data = self.open("study")
        self.find("#axis-time").click()
        browser.settle(self.driver)
        self.assertEqual([x for x, _ in self.points("seresnet34")], data["runs"][5]["metrics"]["elapsed_seconds"])

    def test_the_table_of_a_chart(self):
        data = self.open("study")
        self.find("figure[data-plot=val_top1] summary").click()
        cells = browser.wait(
            lambda: self.js(
                "const cells = document.querySelectorAll('figure[data-plot=val_top1] tbody tr:nth-child(13) > *');"
                "return Array.from(cells, (one) => one.textContent)"
            )
        )
        self.assertEqual(
            cells, ["12"] + [f"{100 * run['metrics']['val_top1'][12]:.2f}{THIN}%" for run in data["runs"][:6]]
        )

    def test_where_the_time_went(self):
        data = self.open("study")
        m = data["runs"][0]["metrics"]
        total = sum(m["seconds"])
        backward = sum(s * (share or 0) for s, share in zip(m["seconds"], m["share_backward"]))
        shares = self.js("return ocelli.time.charts()[1].data.datasets.map((set) => set.data[0])")
        self.assertAlmostEqual(sum(shares), 1, places=9)
        self.assertAlmostEqual(shares[2], backward / total, places=9)
        self.find("#time-seconds").click()
        browser.settle(self.driver)
        self.assertAlmostEqual(self.js("return ocelli.time.charts()[1].data.datasets[2].data[0]"), backward, places=6)

    def test_colours_stand_out(self):
        def luminance(colour):
            parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
            parts = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

        for scheme in ("light", "dark"):
            self.open("study", scheme=scheme)
            palette = self.js("return ocelli.palette()")
            paper = luminance(palette["paper"])
            for colour in palette["series"]:
                a, b = sorted((luminance(colour), paper), reverse=True)
                self.assertGreaterEqual((a + 0.05) / (b + 0.05), 3, f"{colour} on {palette['paper']}")


class Table(Page):
    def names(self):
        return self.js(
            "return Array.from(document.querySelectorAll('table.runs tbody th a'), (one) => one.textContent)"
        )

    def test_it_sorts_by_keyboard(self):
        data = self.open("study")
        self.assertEqual(self.names(), [run["name"] for run in data["runs"]])
        self.focus("th[data-key=top1] button")
        self.press(Keys.ENTER)
        best = [run["name"] for run in sorted(data["runs"], key=lambda run: -run["best"]["top1"])]
        self.assertEqual(self.names(), best)
        self.assertEqual(self.find("th[data-key=top1]").get_attribute("aria-sort"), "descending")
        self.press(Keys.SPACE)
        self.assertEqual(self.names(), best[::-1])
        self.assertEqual(self.find("th[data-key=top1]").get_attribute("aria-sort"), "ascending")
        self.assertTrue(self.js("return document.activeElement.closest('th').dataset.key === 'top1'"))

    def test_unknown_values_come_last(self):
        self.open("nan")
        for _ in range(2):
            self.find("th[data-key=top1] button").click()
            self.assertEqual(self.names()[-1], "never-validated")

    def test_only_differing_settings_are_columns(self):
        self.open("mixup")
        keys = self.js("return Array.from(document.querySelectorAll('table.runs thead th'), (one) => one.dataset.key)")
        self.assertIn("recipe mixup.alpha", keys)
        self.assertNotIn("recipe optimizer.lr", keys)

    def test_figures(self):
        data = self.open("study")
        run = data["runs"][5]
        row = self.js(
            "return Array.from(document.querySelectorAll('table.runs tbody tr')[5].children, (one) => one.textContent)"
        )
        best = run["best"]
        self.assertEqual(row[0], "seresnet34")
        self.assertEqual(
            row[1], f"{100 * best['top1']:.1f}{THIN}% {100 * best['top1_low']:.1f}\u2013{100 * best['top1_high']:.1f}"
        )
        self.assertEqual(row[2], f"{100 * best['top5']:.1f}{THIN}%")


class Evaluation(Page):
    def test_the_confusion_matrix_by_keyboard(self):
        data = self.open("study")
        one = data["runs"][5]["evaluation"]
        order, cells = one["order"], {(t, g): images for t, g, images in one["confusion"]}
        self.focus(".matrix")
        self.press(*[Keys.PAGE_UP] * 20, Keys.HOME)

        def expected(row, column):
            t, g = order[row], order[column]
            images, name = cells.get((t, g), 0), one["class_names"]
            share = f"{images} of {one['count'][t]} ({100 * images / one['count'][t]:.0f}{THIN}%)"
            return f"{name[t]}: {share} guessed right" if t == g else f"True {name[t]}, guessed {name[g]}: {share}"

        self.assertEqual(self.text(".cell-text"), expected(0, 0))
        self.press(*[Keys.ARROW_DOWN] * 3, *[Keys.ARROW_RIGHT] * 4)
        self.assertEqual(self.text(".cell-text"), expected(3, 4))
        self.press(Keys.PAGE_DOWN, Keys.END)
        self.assertEqual(self.text(".cell-text"), expected(13, 199))
        self.press("n")
        after = [
            (r, c)
            for r in range(13, 200)
            for c in range(200)
            if (r, c) > (13, 199) and r != c and cells.get((order[r], order[c]))
        ]
        self.assertEqual(self.text(".cell-text"), expected(*after[0]))

    def test_the_confusion_matrix_by_mouse(self):
        data = self.open("study")
        one = data["runs"][5]["evaluation"]
        canvas = self.find(".matrix canvas")
        self.js("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", canvas)
        before = self.text(".cell-text")
        ActionChains(self.driver, duration=0).move_to_element_with_offset(canvas, 40, 40).perform()
        self.assertNotEqual(self.text(".cell-text"), before)
        self.assertTrue(any(name in self.text(".cell-text") for name in one["class_names"]))

    def test_a_class_is_found_by_name(self):
        self.open("study")
        field = self.find(".confusion-side input")
        field.send_keys("king peng", Keys.ENTER)
        self.assertTrue(self.text(".cell-text").startswith("king penguin, Aptenodytes patagonica:"))

    def test_two_hundred_classes_are_told_apart(self):
        self.open("study")
        drawn = self.js(
            "const canvas = document.querySelector('.matrix canvas'), {width, height} = canvas;"
            "const {data} = canvas.getContext('2d').getImageData(0, 0, width, height);"
            "const colours = new Set();"
            "for (let i = 0; i < data.length; i += 4) colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);"
            "return [canvas.width, colours.size]"
        )
        self.assertGreaterEqual(drawn[0], 1000)
        self.assertGreaterEqual(drawn[1], 30)

    def test_pairs_classes_and_wrong_images(self):
        data = self.open("study")
        one = data["runs"][5]["evaluation"]
        self.assertEqual(len(self.all(".pairs > li")), 10)
        self.assertEqual(len(self.all(".captioned > li")), 24)
        self.assertEqual(len(self.all(".columns table")), 2)
        share = [r / c for r, c in zip(one["right"], one["count"])]
        worst = self.js("return document.querySelectorAll('.columns table')[1].querySelector('tbody th').title")
        self.assertIn(one["class_names"][share.index(min(share))] if share.count(min(share)) == 1 else ":", worst)
        self.assertIn(f"{100 * one['calibration_error']:.1f}{THIN}%", self.text(".figures"))

    def test_another_run_is_chosen(self):
        data = self.open("study")
        Select(self.find("#weights select")).select_by_value("skresnet18")
        browser.settle(self.driver)
        self.assertIn(f"{100 * data['runs'][4]['evaluation']['top1']:.1f}{THIN}%", self.text("#weights .figures"))
        self.assertEqual(self.js("return document.querySelector('#again select').value"), "skresnet18")
        self.assertIn("--model skresnet18", self.text("#again pre"))
        self.assertEqual(browser.complaints(self.driver), [])

    def test_the_ensemble(self):
        data = self.open("study")
        report = next(run for run in data["runs"] if run["kind"] == "ensemble")["ensemble"]
        self.assertIn("60.2" + THIN + "%", self.text(".statement"))
        self.assertIn("p < 0.001", self.text(".statement"))
        self.assertEqual(len(self.all("table.members tbody tr")), 6)
        self.assertEqual(
            self.js("return document.querySelectorAll('table.heat tbody tr')[1].children[1].textContent"),
            f"{report['correlation'][1][0]:.2f}",
        )

    def test_what_is_needed_to_run_it_again(self):
        data = self.open("study")
        run = data["runs"][5]
        text = self.text("#again")
        for part in (
            run["command"],
            run["recipe_yaml"],
            run["data"]["fingerprint"],
            run["machine"]["processor"],
            run["versions"]["commit"],
            run["warnings"][0],
        ):
            self.assertIn(part, text)
        self.find("#again .copy").click()
        browser.wait(lambda: self.text("#again .copy") in ("Copied", "Selected"), 5)


class OddCases(Page):
    def test_names_stay_names(self):
        data = self.open("odd-names")
        self.assertEqual(browser.complaints(self.driver), [])
        self.assertEqual(
            self.js("return [document.querySelectorAll('main b, main i, main script, main img[src=x]').length]"), [0]
        )
        self.assertEqual(self.text("h1"), data["title"])
        self.assertIn("<script>alert(1)</script>", self.text("#weights"))
        self.assertIn("{{data}} {{connect}}", self.text("#weights"))

    def test_no_run(self):
        self.open("none")
        self.assertIn("no run to show", self.text("#lead"))
        self.assertIn("there is no run in it", self.text("#notes"))
        self.assertEqual(self.js("return document.querySelectorAll('section:not([hidden])').length"), 0)

    def test_what_is_no_number_is_said(self):
        self.open("nan")
        self.assertIn(
            "diverged: not a number in epochs 4, 6\u20137 and 9.", self.text("figure[data-plot=val_loss] .chart-notes")
        )
        gaps = [y for _, y in self.points("diverged", "val_loss")]
        self.assertIsNone(gaps[4])
        self.assertIn("lower optimizer.lr", self.text("#notes"))

    def test_a_run_cut_short(self):
        self.open("cut-short")
        self.assertIn("can be resumed", self.text("#notes"))
        self.assertEqual(len(self.points("cut", "step_loss")), 61)
        self.assertIn("there is no best.safetensors yet", self.text("#weights"))

    def test_one_epoch(self):
        self.open("one-epoch")
        self.assertEqual([x for x, _ in self.points("demo")], [0, 1])
        self.assertGreater(len(self.points("demo", "step_loss")), 20)

    def test_fifty_runs(self):
        data = self.open("fifty")
        self.assertEqual(len(self.labels()), 50)
        looks = self.js(
            "return ocelli.curves.chart('val_top1').data.datasets.map((set) => set.borderColor + set.borderDash)"
        )
        self.assertGreaterEqual(len(set(looks)), 49)
        field = self.find("#filter")
        field.send_keys("lr0.03")
        self.assertEqual(len(self.all("#run-list li")), 10)
        self.find(".buttons button:nth-child(2)").click()
        browser.settle(self.driver)
        self.assertEqual(len(self.labels()), 40)
        _, _, lines = self.hover("val_top1", 15)
        self.assertEqual(len(lines), 12)
        self.assertIn("still training", self.text("#notes"))
        self.assertEqual(len(data["runs"]), 50)

    def test_light_and_dark(self):
        for scheme in ("light", "dark"):
            self.open("one-epoch", scheme=scheme)
            self.assertEqual(self.js("return document.documentElement.dataset.theme"), scheme)
        self.find("#theme").click()
        self.assertEqual(self.js("return document.documentElement.dataset.theme"), "light")
        # Kept, where the browser keeps it.
        self.js("localStorage.clear()")

    def test_damaged_numbers(self):
        text = (FOLDER / "one-epoch.html").read_text(encoding="utf-8")
        cut = FOLDER / "damaged.html"
        cut.write_text(text.replace('"runs"', '"runs', 1), encoding="utf-8")
        self.driver.get(cut.as_uri())
        self.assertIn("cannot be read", self.text("h1"))


def metrics_csv(path):
    """Columns of a metrics.csv, as numbers or None."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {key: [float(row[key]) if row[key] else None for row in rows] for key in rows[0]}


if __name__ == "__main__":
    unittest.main(verbosity=1)
