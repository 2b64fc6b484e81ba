# SPDX-License-Identifier: Apache-2.0
"""A Chromium without a window, told what to do by the Chrome DevTools Protocol over two pipes."""

import base64
import json
import os
import shutil
import subprocess
import time

CHROMIUM = shutil.which("chromium")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
         "--hide-scrollbars"]


class Browser:
    """One page. Its messages are kept in `events`."""

    def __init__(self, folder):
        theirs, self.to = os.pipe()
        self.read, back = os.pipe()

        def pipes():  # the protocol's descriptors are 3 and 4
            ends = os.dup(theirs), os.dup(back)
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen([CHROMIUM, *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={folder}/chromium"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=pipes, close_fds=False)  # pylint: disable=subprocess-popen-preexec-fn
        os.close(theirs)
        os.close(back)
        self.number, self.input, self.events, self.session = 0, b"", [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def message(self):
        while b"\0" not in self.input:
            more = os.read(self.read, 1 << 20)
            assert more, "the browser has ended"
            self.input += more
        text, self.input = self.input.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **params):
        self.number += 1
        asked = {"id": self.number, "method": method, "params": params, **({"sessionId": self.session} if self.session else {})}
        os.write(self.to, json.dumps(asked).encode() + b"\0")
        while True:
            told = self.message()
            if told.get("id") == self.number:
                assert "error" not in told, told
                return told["result"]
            self.events.append(told)

    def wait(self, event, seconds=30):
        end = time.monotonic() + seconds
        while not any(e.get("method") == event for e in self.events):
            assert time.monotonic() < end, f"no {event}"
            self.events.append(self.message())

    def open(self, url, width, dark=False):
        """Loads the page, for a screen of that width and taste."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Page.navigate", url=url)
        self.wait("Page.loadEventFired")
        time.sleep(0.3)  # what a page would load late
        self.call("Runtime.evaluate", expression="0")

    def evaluate(self, expression):
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def complaints(self):
        """What a person would find in red in the console."""
        return [e["params"] for e in self.events
                if e.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled", "Network.loadingFailed")]

    def requests(self):
        return [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]))

    def stop(self):
        self.process.kill()
        self.process.wait()
        os.close(self.to)
        os.close(self.read)
