# SPDX-License-Identifier: BSD-2-Clause
"""A headless Chromium, driven over the WebDriver protocol."""

import base64
import json
import shutil
import subprocess
import tempfile
import urllib.request

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1280,1000",
]  # fmt: skip


class Browser:
    """with Browser() as browser: browser.open(path); browser.run("return document.title")"""

    def __enter__(self):
        self._profile = tempfile.mkdtemp(prefix="tcpdwell-chromium-")
        self._driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for line in self._driver.stdout:
            if "started successfully on port" in line:
                self._url = "http://127.0.0.1:" + line.rstrip(".\n").rsplit(" ", 1)[1]
                break
        options = {"args": [*FLAGS, f"--user-data-dir={self._profile}"], "binary": shutil.which("chromium")}
        capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self._url += "/session/" + session["sessionId"]
        return self

    def __exit__(self, *_):
        try:
            self._call("DELETE", "")
        finally:
            self._driver.terminate()
            self._driver.wait(20)
            self._driver.stdout.close()
            shutil.rmtree(self._profile, ignore_errors=True)

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, path):
        self.open_url("file://" + path)

    def open_url(self, url):
        self._call("POST", "/url", {"url": url})

    def colours(self, scheme):
        """As a person who prefers "light" or "dark" sees it."""
        features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self._call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": features})

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._call("GET", "/screenshot")))

    def run(self, script, *args):
        return self._call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def run_async(self, script, *args):
        """The last argument that the script is given is a function, to be called with what it returns."""
        return self._call("POST", "/execute/async", {"script": script, "args": list(args)})

    def width(self, pixels):
        """Of the window from now on."""
        metrics = {"width": pixels, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        self._call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics})

    def console(self):
        """What was logged since the last call: errors, refused requests, console.*"""
        return self._call("POST", "/se/log", {"type": "browser"})
