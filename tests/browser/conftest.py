"""Chromium and JupyterLab, on this machine alone: what either asks of another host is refused, and counted."""

import json
import os
import queue
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright

from studies.storage import paths

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    # These services ask all the same: at a port that Chromium never opens.
    "--component-updater=url-source=http://127.0.0.1:9/",
    "--gaia-url=http://127.0.0.1:9",
    "--autofill-server-url=http://127.0.0.1:9/",
)
PATIENCE = 60_000
"""Milliseconds that the browser may take for one thing."""
HERE = ("127.0.0.1", "localhost")
OPENED = re.compile(r"^opens (file:\S+)")
"""What stands for the user's own browser, which JupyterLab tells what to open, writes this."""


class Refusal(BaseHTTPRequestHandler):
    """A proxy that lets nobody through, and remembers who wanted to go where."""

    def refuse(self):
        self.server.asked.append(f"{self.command} {self.path}")
        self.send_error(403)

    do_CONNECT = do_GET = do_HEAD = do_POST = do_PUT = refuse  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def proxy():
    """A proxy that refuses everything, with what it was ``asked`` for."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusal)
    server.asked, server.address = [], f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture(scope="session")
def chromium(proxy):
    """Chromium, which reaches other hosts through the proxy that refuses everything, if at all."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail(f"None of {', '.join(BROWSERS)} is on the PATH: run tests/browser/setup.sh, or make browser.")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found,
            args=[*QUIET, *as_root],
            proxy={"server": proxy.address, "bypass": ",".join(HERE)},
            timeout=PATIENCE,
        )
        yield browser
        browser.close()


def is_local(address):
    """Whether nothing but this machine is asked."""
    parts = urlsplit(address)
    return parts.scheme in ("file", "data", "blob", "about") or parts.hostname in HERE


@pytest.fixture
def refused(proxy):
    """Addresses on other hosts that pages, Chromium itself or JupyterLab have asked for, all in vain."""
    yield proxy.asked
    proxy.asked.clear()


@pytest.fixture
def complaints():
    """Errors that the test's pages have written to the browser's console, as when a policy refuses a request."""
    return []


@pytest.fixture
def context(chromium, refused):
    """A browser profile of its own, in which requests to other hosts are refused and counted."""

    def decide(route):
        if is_local(route.request.url):
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort()

    with chromium.new_context(viewport={"width": 1280, "height": 900}) as context:
        context.set_default_timeout(PATIENCE)
        context.route("**/*", decide)
        yield context


@pytest.fixture
def page(context, refused, complaints, screenshot, request):
    """An empty page, for ``page.goto(path.as_uri())``; after the test no other host may have been asked."""
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("websocket", lambda socket: None if is_local(socket.url) else refused.append(socket.url))
    yield page
    if getattr(request.node, "failed", False):
        screenshot(page, f"failed-{request.node.name}")
    assert refused == []


@pytest.fixture
def screenshot(tmp_path):
    """Function of a page and a name: keep what is to be seen in tmp_path and in the folder INFLUAUG_SCREENSHOTS."""

    def keep(page, name, **options):
        file = tmp_path / f"{re.sub(r'[^a-zA-Z0-9-]+', '-', name)}.png"
        page.screenshot(path=file, **options)
        if folder := os.environ.get("INFLUAUG_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder)

    return keep


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Tell the fixtures whether the test has failed."""
    report = yield
    item.failed = getattr(item, "failed", False) or report.failed
    return report


@pytest.fixture(scope="session")
def lab(tmp_path_factory, proxy):
    """JupyterLab as `make lab` starts it, without a window, on copies of the notebooks."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(paths.NOTEBOOKS, folder / "notebooks", ignore=shutil.ignore_patterns(".*", "__pycache__"))
    settings = folder / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')
    with Lab(folder, proxy).running() as lab:
        yield lab


class Lab:
    """A JupyterLab with everything that it writes in one folder."""

    def __init__(self, folder, proxy):
        self.folder, self.proxy, self.said = folder, proxy, []

    @contextmanager
    def running(self):
        """Start it, yield it with the address that it ``opened``, and end it with its kernels."""
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
        with subprocess.Popen(self.recipe(), cwd=self.folder, env=self.environment(), **streams) as self.process:
            try:
                self.opened = self.first(OPENED, seconds=120)
                yield self
            finally:
                self.stop()

    @staticmethod
    def recipe():
        """What `make lab` runs, with the interpreter of these tests."""
        here = Path(sys.executable).parent
        make = ["make", "--dry-run", "--no-print-directory", "lab", "READY=", f"BIN={here}"]
        return shlex.split(subprocess.run(make, cwd=paths.PROJECT, capture_output=True, text=True, check=True).stdout)

    def environment(self):
        """The user's own settings, kernels and outputs are neither used nor changed."""
        own = {f"JUPYTER_{name}_DIR": str(self.folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
        own |= {f"JUPYTERLAB_{name}_DIR": str(self.folder / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
        own |= {"IPYTHONDIR": str(self.folder / "ipython"), "INFLUAUG_OUTPUTS": str(self.folder / "outputs")}
        own |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), self.proxy.address)
        own["BROWSER"] = "echo opens %s"
        own |= dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(HERE))
        strange = ("MPLBACKEND", "JUPYTER_TOKEN", "JUPYTER_PREFER_ENV_PATH")
        return {name: value for name, value in os.environ.items() if name not in strange} | own

    @property
    def server(self):
        """The address, port and token that the server has noted down."""
        (file,) = (self.folder / "runtime").glob("jpserver-*.json")
        return json.loads(file.read_text())

    def first(self, pattern, seconds):
        """The first match in what it says; fails with all that it said if there is none within some seconds."""
        lines, found = queue.Queue(), None
        Thread(target=self.listen, args=(lines,), daemon=True).start()
        try:
            while not found:
                found = pattern.search(lines.get(timeout=seconds))
        except queue.Empty:
            pytest.fail(f"JupyterLab opened nothing within {seconds} s, and said:\n{''.join(self.said)}")
        return found[1]

    def listen(self, lines):
        for line in self.process.stdout:
            self.said.append(line)
            lines.put(line)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
