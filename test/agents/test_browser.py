# SPDX-License-Identifier: Apache-2.0
"""A real browser: pages of several origins call a gateway, and may read or not. The page runs a script and posts what came of it
to the server that it is from."""

import http.server
import json
import queue
import subprocess
import threading

import pytest

from browser import CHROMIUM, FLAGS
from harness import Processes, until

KEY = "sk-one-0123456789"
SITE = "app.example.test"  # every name of that end is this machine to the browser

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium")

# What a page tells of one call: the status, or that it may not know it.
TOOLS = """
const body = (more) => JSON.stringify({model: "m", messages: [{role: "user", content: "hello"}], ...more});
async function call(path, options) {
  try {
    const answer = await fetch(GATE + path, options);
    return {status: answer.status, type: answer.type, id: answer.headers.get("x-request-id"), text: await answer.text()};
  } catch (e) { return {failed: String(e)}; }
}
const json = {"content-type": "application/json"};
"""


class Site:
    """Serves one page under every name, and takes what it posts."""

    def __init__(self, folder):
        self.folder, self.page, self.told = folder, "", queue.Queue()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, body):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.answer(site.page.encode() if self.path == "/page" else b"")

            def do_POST(self):
                site.told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.answer(b"")

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def origin(self, host):
        return f"http://{host}:{self.port}"

    def run(self, host, gate, script):
        """What the script returns in a page of that host; GATE in it is the gateway."""
        self.page = (f'<script type="module">const GATE = "http://127.0.0.1:{gate.address}"; {TOOLS}\n'
                     f'const result = await (async () => {{ {script} }})();\n'
                     'await fetch("/told", {method: "POST", body: JSON.stringify(result)});</script>')
        browser = subprocess.Popen(
            [CHROMIUM, *FLAGS, "--host-resolver-rules=MAP *.example.test 127.0.0.1", f"--user-data-dir={self.folder}/chromium",
             f"{self.origin(host)}/page"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return self.told.get(timeout=60)
        finally:
            browser.kill()
            browser.wait()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def processes():
    started = Processes()
    yield started
    started.stop()


@pytest.fixture
def site(processes):
    site = Site(processes.folder)
    yield site
    site.stop()


ASK = """return [await call("/v1/chat/completions", {method: "POST", headers: json, body: body()}),
                 await call("/v1/chat/completions", {method: "POST", headers: json, body: body({stream: true})}),
                 await call("/v1/chat/completions", {method: "POST", headers: json, body: body({model: "none"})}),
                 await call("/v1/models"), await call("/no/such/path")];"""


def test_a_local_page_may_call(processes, site):
    gate = processes.gate(processes.mock())
    whole, stream, error, models, lost = site.run("localhost", gate, ASK)
    assert whole["status"] == 200 and json.loads(whole["text"])["object"] == "chat.completion"
    assert whole["id"] and whole["type"] == "cors"
    assert stream["status"] == 200 and stream["text"].rstrip().endswith("data: [DONE]")
    assert error["status"] == 404 and json.loads(error["text"])["error"]["code"] == "model_not_found"
    assert models["status"] == 200 and lost["status"] == 404


def test_a_foreign_page_gets_nothing_done(processes, site):
    mock = processes.mock()
    gate = processes.gate(mock)
    results = site.run(SITE, gate, """return [
        await call("/v1/chat/completions", {method: "POST", headers: json, body: body()}),
        await call("/v1/chat/completions", {method: "POST", headers: {"content-type": "text/plain"}, body: body()}),
        await call("/v1/chat/completions", {method: "POST", mode: "no-cors", body: body()}), await call("/v1/models")];""")
    assert [bool(r.get("failed")) for r in results] == [True, True, False, True]
    assert results[2]["type"] == "opaque" and results[2]["text"] == ""
    assert mock.stats()["requests"] == 0
    until(lambda: len(gate.exchanges(status=403)) == 4, "a preflight, two posts and a get are refused")
    assert len(gate.exchanges()) == 4


def test_with_keys_a_configured_page_may_call(processes, site):
    gate = processes.gate(processes.mock(), keys=[{"name": "one", "key": KEY}], cors={"origins": [site.origin(SITE)]})
    ask = f"""const headers = {{...json, authorization: "Bearer {KEY}"}};
        return [await call("/v1/chat/completions", {{method: "POST", headers, body: body()}}),
                await call("/v1/chat/completions", {{method: "POST", headers: json, body: body()}}), await call("/v1/models", {{headers}})];"""
    allowed, without, models = site.run(SITE, gate, ask)
    assert allowed["status"] == 200 and allowed["id"]
    assert without["status"] == 401 and models["status"] == 200
    for host in ("localhost", f"x.{SITE}"):
        assert all(r.get("failed") for r in site.run(host, gate, ask))
