"""Chromium without a window, driven over a pipe by its DevTools protocol, which needs no library.

As a program it says whether there is one.
"""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time

NAMES = ["chromium", "chromium-browser", "google-chrome"]
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
MISSING = f"skipped: there is no {', '.join(NAMES)} on the PATH (apt-get install chromium)"

# How long anything may take; a test fails then. Nothing here measures time.
PATIENCE_S = 60
WIDTH, HEIGHT = 1320, 900


class Browser:
    def __init__(self, chromium, profile):
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # The shell puts the ends where the browser looks for them.
        command = 'exec "$0" "$@" 3<&%d 4>&%d' % (theirs_in, theirs_out)
        arguments = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
            "--no-first-run", "--disable-extensions", "--disable-background-networking",
            "--hide-scrollbars", f"--user-data-dir={profile}", f"--window-size={WIDTH},{HEIGHT}",
            "about:blank",
        ]
        self._process = subprocess.Popen(
            ["bash", "-c", command, chromium, *arguments],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._numbers = itertools.count(1)
        self._received = b""
        self._pages = {}

    def open(self, url):
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        page = Page(self, attached["sessionId"], target)
        self._pages[attached["sessionId"]] = page
        for domain in ["Page", "Runtime", "Log"]:
            page.call(f"{domain}.enable")
        page.call("Page.navigate", {"url": url})
        return page

    def call(self, method, params=None, session=None):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data):]
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
            page = self._pages.get(answer.get("sessionId"))
            if page:
                page.note(answer)

    def _receive(self, deadline):
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._in], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError("the browser does not answer")
            data = os.read(self._in, 1 << 16)
            if not data:
                raise AssertionError("the browser has ended")
            self._received += data
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)

    def stop(self):
        os.close(self._out)
        os.close(self._in)
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Page:
    def __init__(self, browser, session, target):
        self._browser, self._session, self._target = browser, session, target
        # Errors of scripts and of the network, refusals of the policy, dialogs.
        self.complaints = []

    def call(self, method, params=None):
        return self._browser.call(method, params, self._session)

    def note(self, event):
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            # Every browser asks for that on its own.
            if not entry.get("url", "").endswith("/favicon.ico"):
                self.complaints.append(entry["text"])
        elif method == "Page.javascriptDialogOpening":
            self.complaints.append("a dialog: " + params["message"])

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", {"expression": expression, "returnByValue": True})
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, expression):
        """Until the expression is true. The wait is the browser's: from one drawing to the next."""
        deadline = time.monotonic() + PATIENCE_S
        next_frame = "new Promise((done) => setTimeout(done, 20))"
        while not self.evaluate(f"Boolean({expression})"):
            if time.monotonic() > deadline:
                text = self.evaluate("document.body.innerText")
                raise AssertionError(f"never true: {expression}\n{text}")
            self.call("Runtime.evaluate", {"expression": next_frame, "awaitPromise": True})

    def click(self, selector):
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def prefer(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", {"features": features})

    def resize(self, width, height):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", metrics)

    def screenshot(self, path):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    def close(self):
        self._browser.call("Target.closeTarget", {"targetId": self._target})


if __name__ == "__main__":
    sys.exit(0 if CHROMIUM else MISSING)
