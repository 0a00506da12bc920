"""The live page over a server made here: what it shows follows what the server has, and what the reader set stays."""

import copy
import json
import os
import random
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import browser
import samples
from test_report import Page


class Server(ThreadingHTTPServer):
    """Says on /events that there are new runs, and has them on /v1/runs."""

    daemon_threads = True

    def __init__(self, template, data):
        super().__init__(("127.0.0.1", 0), Handler)
        self.template, self.data = template, data
        self.version, self.changed, self.down = 0, threading.Condition(), False

    def put(self, data):
        with self.changed:
            self.data = data
            self.version += 1
            self.changed.notify_all()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, kind, text):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        server = self.server
        if self.path == "/":
            self.answer("text/html; charset=utf-8", samples.page(server.template, server.data, "'self'").encode())
        elif self.path == "/v1/runs" and not server.down:
            self.answer("application/json", json.dumps(server.data).encode())
        elif self.path == "/events" and not server.down:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            seen = server.version
            try:
                self.wfile.write(b"retry: 200\n\n")
                self.wfile.flush()
                while not server.down:
                    with server.changed:
                        server.changed.wait_for(lambda: server.version != seen or server.down, 0.5)
                    text = b": still here\n\n" if server.version == seen else b"event: runs\ndata: 1\n\n"
                    seen = server.version
                    self.wfile.write(text)
                    self.wfile.flush()
            except OSError:
                pass
        else:
            self.send_error(404)


def cut(data, epochs):
    """The same runs when they had done fewer epochs."""
    data = copy.deepcopy(data)
    for run in data["runs"]:
        rows = min(epochs + 1, len(run["metrics"]["epoch"]))
        for column in run["metrics"].values():
            del column[rows:]
        steps = run["metrics"]["step"][-1]
        kept = sum(step <= steps for step in run["steps_sampled"]["step"])
        for column in run["steps_sampled"].values():
            del column[kept:]
        run["epochs_done"], run["steps_done"] = rows - 1, steps
        run["state"] = "finished" if rows - 1 == run["epochs"] else "running"
    return data


class Live(Page):
    def setUp(self):
        rng = random.Random("live")
        self.whole = samples.document(
            "live", [samples.run(rng, "one", epochs=10), samples.run(rng, "two", epochs=10, top1=0.48)]
        )
        self.whole.update(live=True, classify=True)
        template = Path(os.environ["OC_PAGE"]).read_text(encoding="utf-8")
        self.server = Server(template, cut(self.whole, 3))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        browser.show(self.driver)
        self.driver.get("about:blank")
        browser.forget(self.driver)
        self.driver.get(self.server.address)
        browser.wait(lambda: self.text("#live") == "connected", what="the connection")

    def tearDown(self):
        self.server.down = True
        self.server.put(self.server.data)
        self.driver.get("about:blank")
        self.server.shutdown()
        self.server.server_close()

    @classmethod
    def setUpClass(cls):
        cls.driver = browser.open_browser(network=True)
        cls.axe = browser.axe_source()

    def test_a_new_point_appears_and_what_was_set_stays(self):
        self.js("window.same = true; window.chart = ocelli.curves.chart('val_top1')")
        self.find("input[data-run='two']").click()
        self.js(
            "const input = document.querySelector('#epoch-from'); input.value = '1'; input.dispatchEvent(new Event('input'))"
        )
        self.find("th[data-key=top1] button").click()
        self.focus("#smoothing")
        self.assertEqual([x for x, _ in self.points("one")], [1, 2, 3])
        self.server.put(cut(self.whole, 4))
        browser.wait(lambda: [x for x, _ in self.points("one")] == [1, 2, 3, 4], 2, "the new point")
        self.assertEqual(self.points("one")[-1][1], self.whole["runs"][0]["metrics"]["val_top1"][4])
        self.assertTrue(self.js("return window.same && window.chart === ocelli.curves.chart('val_top1')"))
        self.assertEqual(self.labels(), ["one"])
        self.assertEqual(self.js("return document.activeElement.id"), "smoothing")
        self.assertEqual(self.find("th[data-key=top1]").get_attribute("aria-sort"), "descending")
        self.assertEqual(browser.complaints(self.driver), [])
        allowed = {self.server.address + path for path in ("", "events", "v1/runs")}
        self.assertLessEqual(set(browser.requests(self.driver)), allowed)

    def test_a_new_run_appears(self):
        more = cut(self.whole, 3)
        more["runs"].append(samples.run(random.Random("three"), "three", epochs=2))
        self.focus("input[data-run='two']")
        self.server.put(more)
        browser.wait(lambda: "three" in self.labels(), 2, "the new run")
        self.assertIsNotNone(self.find("input[data-run='three']"))
        self.assertEqual(len(self.all("table.runs tbody tr")), 3)
        self.assertEqual(self.js("return document.activeElement.dataset.run"), "two")

    def test_the_first_run_appears(self):
        self.server.put(dict(self.whole, runs=[]))
        browser.wait(lambda: "no run in this folder yet" in self.text("#lead"), 2)
        self.server.put(cut(self.whole, 0))
        browser.wait(lambda: "one" in self.labels(), 2)
        self.assertEqual(browser.complaints(self.driver), [])

    def test_the_connection_is_lost_and_found(self):
        self.server.down = True
        self.server.put(self.server.data)
        browser.wait(lambda: self.text("#live") == "reconnecting", what="the word for it")
        self.server.data = cut(self.whole, 6)
        self.server.down = False
        browser.wait(lambda: self.text("#live") == "connected", what="the connection")
        browser.wait(lambda: len(self.points("one")) == 7, what="what was missed")

    def test_the_way_to_the_other_page(self):
        self.assertTrue(self.find("#classify").is_displayed())
        self.server.put(dict(cut(self.whole, 4), classify=False))
        browser.wait(lambda: not self.find("#classify").is_displayed())

    def test_accessibility(self):
        if self.axe is None:
            self.skipTest("axe-core is not here (OC_AXE): its judgement is left out")
        self.assertEqual(browser.axe(self.driver, self.axe), [])


del Page  # its tests are none

if __name__ == "__main__":
    unittest.main(verbosity=1)
