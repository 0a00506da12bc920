"""TensorBoard itself reads event files; exits 77 without it.

read_events.py RUN       prints "tag step value" lines of a run folder's scalars, sorted
read_events.py -t RUNS   prints what TensorBoard's pages ask its server about a folder of runs, over loopback:
                         "run NAME", "scalar RUN TAG", "hparam RUN KEY VALUE" (as JSON), "status RUN STATUS",
                         "metric RUN TAG STEP VALUE", "info KEY TYPE", "image RUN TAG STEP WIDTH HEIGHT" (by Pillow)
"""

import io
import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError:
    sys.exit(77)

PLUGINS = "/data/plugin/"
HPARAMS = "/experiment/defaultExperimentId/data/plugin/hparams/"


def scalars(folder):
    accumulator = EventAccumulator(folder, size_guidance={"scalars": 0})
    accumulator.Reload()
    for tag in sorted(accumulator.Tags()["scalars"]):
        for event in accumulator.Scalars(tag):
            print(tag, event.step, f"{event.value:.7g}")


class Server:
    """A TensorBoard of a folder, on a free port of loopback."""

    def __init__(self, folder):
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--host", "127.0.0.1", "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "http://127.0.0.1:" in line:
                self.base = "http://127.0.0.1:" + line.split("http://127.0.0.1:")[1].split("/")[0]
                return
        sys.exit("TensorBoard does not start")

    def ask(self, path, query=None, body=None):
        url = self.base + path + ("?" + urllib.parse.urlencode(query) if query else "")
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return answer.read()

    def json(self, *arguments, **named):
        return json.loads(self.ask(*arguments, **named))

    def end(self):
        self.process.terminate()
        self.process.wait()


def groups(server):
    statuses = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
    body = {"experimentName": "", "allowedStatuses": statuses, "colParams": [], "startIndex": 0, "sliceSize": 100}
    return server.json(HPARAMS + "session_groups", body=body)["sessionGroups"]


def wait_until_loaded(server):
    """Files are read in the background: until two looks a while apart are alike."""
    before = None
    for _ in range(60):
        now = [server.json(PLUGINS + "images/tags"), server.json(PLUGINS + "scalars/tags"), groups(server)]
        if now == before and now[2]:
            return
        before = now
        time.sleep(2)
    sys.exit("TensorBoard does not read the runs")


def pages(folder):
    from PIL import Image

    server = Server(folder)
    try:
        wait_until_loaded(server)
        for run in server.json("/data/runs"):
            print("run", run)
        for run, tags in server.json(PLUGINS + "scalars/tags").items():
            for tag in tags:
                print("scalar", run, tag)
        for info in server.json(HPARAMS + "experiment", body={"experimentName": ""})["hparamInfos"]:
            print("info", info["name"], info["type"])
        for group in groups(server):
            name = group["name"]
            for key, value in group["hparams"].items():
                print("hparam", name, key, json.dumps(value))
            for session in group["sessions"]:
                print("status", name, session["status"])
            for metric in group["metricValues"]:
                print("metric", name, metric["name"]["tag"], metric["trainingStep"], f"{metric['value']:.7g}")
        for run, tags in server.json(PLUGINS + "images/tags").items():
            for tag in tags:
                for item in server.json(PLUGINS + "images/images", {"run": run, "tag": tag, "sample": 0}):
                    image = Image.open(io.BytesIO(server.ask(PLUGINS + "images/individualImage?" + item["query"])))
                    image.load()
                    print("image", run, tag, item["step"], *image.size)
    finally:
        server.end()


if sys.argv[1] == "-t":
    pages(sys.argv[2])
else:
    scalars(sys.argv[1])
