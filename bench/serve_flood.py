#!/usr/bin/env python3
"""Holds thousands of connections to `ocelli serve` open that never send a whole request, and asks it like anybody else
meanwhile: bench/serve_flood.py IMAGE [CONNECTIONS] [PORT] [PID]

A third is silent, a third sends half a head, a third half a body. Prints how long the requests of somebody who means it
took before, during and after, what the server says of its connections, and, with its PID, its memory. Exits 1 when one
of them was not answered. Needs "ulimit -n" above CONNECTIONS."""
import http.client
import resource
import socket
import sys
import time

IMAGE = open(sys.argv[1], "rb").read()
MANY = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
PORT = int(sys.argv[3]) if len(sys.argv) > 3 else 8080
PID = sys.argv[4] if len(sys.argv) > 4 else None
HALVES = [b"", b"POST /v1/classify HTTP/1.1\r\nHost: loc",
          b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nhalf"]
failures = 0


def ask():
    """Seconds that a request took; None: it was not answered."""
    global failures
    began = time.monotonic()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        connection.request("POST", "/v1/classify", IMAGE, {"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.status == 200:
            return time.monotonic() - began
        problem = f"status {answer.status}"
    except OSError as error:
        problem = repr(error)
    failures += 1
    print(f"not answered: {problem}")
    return None


def tell(when, times):
    known = sorted(t for t in times if t is not None)
    middle, most = (known[len(known) // 2], known[-1]) if known else (float("nan"), float("nan"))
    print(f"{when}: {len(known)} of {len(times)} answered, median {1e3 * middle:.1f} ms, longest {1e3 * most:.1f} ms")


def figures():
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    print(", ".join(line for line in lines if line.startswith("ocelli_connections")))
    if PID:
        with open(f"/proc/{PID}/status") as status:
            print(next(line for line in status if line.startswith("VmRSS")).strip())


soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if soft < MANY + 100:
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(MANY + 100, hard), hard))
tell("before", [ask() for _ in range(20)])
figures()
held, during, refused = [], [], 0
began = time.monotonic()
for i in range(MANY):
    try:
        held.append(socket.create_connection(("127.0.0.1", PORT), timeout=30))
        held[-1].sendall(HALVES[i % 3])
    except OSError:
        refused += 1
    if i % (MANY // 20) == 0:
        during.append(ask())
print(f"{len(held)} connections opened in {time.monotonic() - began:.1f} s, {refused} of them closed at once")
tell("during", during)
tell("all held open", [ask() for _ in range(20)])
figures()
for one in held:
    one.close()
tell("after", [ask() for _ in range(20)])
figures()
sys.exit(1 if failures else 0)
