# SPDX-License-Identifier: Apache-2.0
"""Figure 6: what innocent clients notice of a wrong client, and of runtimes that fail. Figure 7: what many models cost."""

from __future__ import annotations

import json
import os
import signal
import threading
import time

from harness import KEY, Stage, Unmeasured, free_port, http, load_cores, median, note

ONE = """
models:
  - name: mock
    endpoints:
      - { url: "http://127.0.0.1:%d/v1" }
keys:
  - { name: bench, key: %s, models: ["*"] }
"""

# What a chat model on some runtimes answers to an image and to embeddings.
WRONG = [
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}],
                              "mock": {"status": 500}}),
    ("/v1/embeddings", {"input": "x", "mock": {"status": 501}}),
    ("/v1/embeddings", {"input": "x", "mock": {"status": 500}}),
]
WRONG_RATE = 50  # requests per second
CHAT = {"model": "mock", "messages": [{"role": "user", "content": "x"}], "max_tokens": 4}


def chat(port: int) -> int:
    try:
        return http(port, "/v1/chat/completions", CHAT, timeout=30)[0]
    except OSError:
        return 0


def one_wrong_client(stage: Stage, seconds: float) -> dict:
    _, mock_port = stage.mock()
    _, port = stage.hostler(ONE % (mock_port, KEY))
    over = threading.Event()
    wrong: list[int] = []

    def be_wrong() -> None:
        began = time.monotonic()
        while not over.is_set():
            path, body = WRONG[len(wrong) % len(WRONG)]
            wrong.append(http(port, path, {"model": "mock", **body}, timeout=30)[0])
            over.wait(max(0.0, began + len(wrong) / WRONG_RATE - time.monotonic()))

    nuisance = threading.Thread(target=be_wrong)
    nuisance.start()
    good: list[int] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        good.append(chat(port))
        time.sleep(0.01)
    over.set()
    nuisance.join()
    refused = sum(status != 200 for status in good)
    enough = len(wrong) >= 0.9 * WRONG_RATE * seconds
    return {"what": f"a good client beside {len(wrong)} requests that the runtime cannot do, {seconds:.0f} s",
            "value": f"{refused} of {len(good)} refused", "bound": "0", "ok": refused == 0 and enough}


def comes_back(stage: Stage, rounds: int) -> dict:
    times = []
    for _ in range(rounds):
        runtime, mock_port = stage.mock()
        gateway, port = stage.hostler(ONE % (mock_port, KEY))
        stage.drop(runtime)
        end = time.monotonic() + 20
        while chat(port) != 503 and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(4)
        again = stage.start("mock", [*runtime.args], load_cores())
        while True:  # from the moment on at which it can be reached
            try:
                if http(mock_port, "/health", timeout=1)[0] == 200:
                    break
            except OSError:
                time.sleep(0.01)
        back = time.monotonic()
        while chat(port) != 200 and time.monotonic() < back + 30:
            time.sleep(0.02)
        times.append(time.monotonic() - back)
        stage.drop(gateway)
        stage.drop(again)
    return {"what": f"a runtime that comes back serves again after ({rounds} times, the longest)", "value": f"{max(times):.2f} s",
            "bound": "2 s", "ok": max(times) <= 2}


def two_of_three_broken(stage: Stage) -> dict:
    _, bad = stage.mock("--status", "500")
    _, good = stage.mock()
    _, port = stage.hostler(f"""
models:
  - name: mock
    endpoints:
      - {{ url: "http://127.0.0.1:{bad}/v1" }}
      - {{ url: "http://127.0.0.1:{free_port()}/v1" }}
      - {{ url: "http://127.0.0.1:{good}/v1" }}
keys:
  - {{ name: bench, key: {KEY}, models: ["*"] }}
""")
    failed = sum(chat(port) != 200 for _ in range(60))
    return {"what": "two of three endpoints broken from the start (one answers 500, one is not there)",
            "value": f"{failed} of 60 requests fail", "bound": "0", "ok": failed == 0}


def innocents(rounds: int, quick: bool) -> dict:
    with Stage() as stage:
        rows = [one_wrong_client(stage, 10 if quick else 60), two_of_three_broken(stage), comes_back(stage, max(rounds, 3))]
    return {"rows": rows}


def many_models(count: int) -> str:
    """Models with an alias and a fallback each, and one endpoint."""
    lines = ["models:"]
    for i in range(count):
        lines += [f"  - name: model-{i}", f"    aliases: [alias-{i}]", f"    fallback: [model-{(i + 1) % count}]",
                  f"    endpoints: [{{ url: \"http://127.0.0.1:9/m{i}/v1\", name: e{i} }}]"]
    lines += ["keys:", f"  - {{ name: bench, key: {KEY}, models: [\"*\"] }}", ""]
    return "\n".join(lines)


def cpu_of_start_and_reload(stage: Stage, count: int) -> tuple[float, float]:
    """Milliseconds of CPU until the first answer, and of one reload."""
    gateway, port = stage.hostler(many_models(count))
    start = gateway.cpu_us() / 1000
    time.sleep(2)  # what is looked at in the beginning is looked at
    before = gateway.cpu_us()
    os.kill(gateway.pid, signal.SIGHUP)
    end = time.monotonic() + 60
    while not any(json.loads(line).get("event") == "reload" for line in gateway.log.read_text().splitlines() if line.startswith("{")):
        if time.monotonic() > end:
            raise Unmeasured("the reload did not end")
        time.sleep(0.02)
    reload = (gateway.cpu_us() - before) / 1000
    if http(port, "/v1/models/model-0")[0] != 200:
        raise Unmeasured("the models are not there")
    stage.drop(gateway)
    return start, reload


def scale(rounds: int, quick: bool) -> dict:
    few, many = (100, 1000) if quick else (1000, 10000)
    starts, reloads = [], []
    with Stage() as stage:
        for _ in range(rounds):
            small, large = cpu_of_start_and_reload(stage, few), cpu_of_start_and_reload(stage, many)
            note(f"CPU for {few} and {many} models: start {small[0]:.0f} and {large[0]:.0f} ms, reload {small[1]:.0f} and {large[1]:.0f} ms")
            starts.append((large[0] / small[0], *small, *large))
            reloads.append((large[1] / small[1], small[1], large[1]))
    rows = []
    for name, ratios, ms in (("start", [s[0] for s in starts], median([s[3] for s in starts])),
                             ("reload", [r[0] for r in reloads], median([r[2] for r in reloads]))):
        ratio = median(ratios)
        rows.append({"what": f"{name} with {many} models, CPU beside {few}", "value": f"{ratio:.1f}x ({ms:.0f} ms)", "bound": "12x",
                     "ok": ratio <= 12})
    return {"rows": rows}
