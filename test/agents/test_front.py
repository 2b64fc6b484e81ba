# SPDX-License-Identifier: Apache-2.0
"""The page at / in a real browser: no complaint, nothing foreign, readable on every screen, light and dark.

With HOSTLER_SCREENSHOTS=FOLDER its pictures are kept there.
"""

import os
import pathlib

import pytest

from browser import CHROMIUM, Browser
from harness import Processes, model_of

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium")


@pytest.fixture(scope="module")
def place():
    processes = Processes()
    mock = processes.mock()
    gate = processes.gate([model_of(mock, name="llama-3.3-70b-instruct", kind="vllm"), model_of(mock, name="qwen3-coder-30b-a3b", kind="sglang"),
                           model_of(mock, name="a-model-whose-name-is-so-long-that-it-has-to-wrap-somewhere-on-a-telephone", kind="ollama"),
                           {"name": "gone", "endpoints": [{"url": "http://127.0.0.1:1/v1", "kind": "llama-server"}]}])
    gate.chat(model="gone")
    browser = Browser(processes.folder)
    yield gate, browser
    browser.stop()
    processes.stop()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_front_page(place, width, dark):
    gate, browser = place
    url = f"http://127.0.0.1:{gate.address}/"
    browser.open(url, width, dark)
    assert browser.complaints() == []
    assert [r for r in browser.requests() if not r.startswith("data:")] == [url]
    assert browser.evaluate("document.querySelector('h1').textContent").startswith("Hostler")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width, "no sideways scrolling of the page"
    paper = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(21, 24, 27)") == dark, "the style is in force"
    folder = os.environ.get("HOSTLER_SCREENSHOTS")
    if folder:
        browser.screenshot(pathlib.Path(folder) / f"front-{width}-{'dark' if dark else 'light'}.png")
