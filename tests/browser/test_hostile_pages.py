"""Pages of what would run, send or lead elsewhere, in Chromium."""

import http.server
import re
import threading

import pytest

import hostile as snippets
from studies.pages import sanitizer

pytestmark = pytest.mark.browser
WITHOUT_POLICY = ("Content-Security-Policy", "No-Policy", 1)
PARTS = """Array.from(document.querySelectorAll("main *"), part => [part.localName, ...part.getAttributeNames()])"""
ATTRIBUTES = {*" ".join(sanitizer.ATTRIBUTES.values()).split(), *sanitizer.MATHML_ATTRIBUTES.split()}


@pytest.fixture
def asked():
    """The address of a server on the loopback, and the list of what it was asked for."""
    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_what_outputs_would_run_does_nothing_in_a_browser(hostile, asked, chromium):
    site, found = asked
    text, armed, bare = hostile.read_text("utf-8"), hostile.with_name("armed.html"), hostile.with_name("bare.html")
    # What is taken out is put back, so that the policy is tried alone, but for a refresh, which no policy stops.
    text = text.replace("</main>", re.sub("<meta.*?>", "", snippets.HOSTILE) + "</main>", 1).replace(
        "https://example.org", site
    )
    armed.write_text(text, "utf-8")
    bare.write_text(text.replace("Content-Security-Policy", "No-Policy", 1), "utf-8")
    with chromium.new_context() as context:
        context.add_init_script("log = []; ran = what => log.push(what)")
        for path in (hostile, armed):
            page = context.new_page()
            page.goto(path.as_uri())
            for link in page.locator("a:has-text('a link')").all():
                link.click(no_wait_after=True)
            page.evaluate("document.querySelectorAll('form').forEach(form => form.submit())")
            assert page.url.split("#")[0] == path.as_uri()
            assert (page.evaluate("log"), found) == ([], [])
        page = context.new_page()
        page.goto(bare.as_uri())  # without its policy the page does run and ask: this test can fail
        assert {"script", "onerror", "svg"} <= set(page.evaluate("log")) and {"/a.png", "/a.css"} <= set(found)


def opened(context, path, found=None):
    """A page some time after it was opened: when something was found, or soon."""
    page = context.new_page()
    page.goto(path.as_uri(), wait_until="commit" if found is not None else "load")
    for _ in range(500 if found is not None else 10):
        page.wait_for_timeout(20)
        if found:
            break
    return page


@pytest.mark.parametrize("name", snippets.ASKING | snippets.WAITING)
def test_a_page_asks_nobody_even_without_its_policy(name, tmp_path, asked, chromium):
    site, found = asked
    text = snippets.armed(site)[name]
    path, control = snippets.page(text, tmp_path / "page"), tmp_path / "control.html"
    path.write_text(path.read_text("utf-8").replace(*WITHOUT_POLICY), "utf-8")
    control.write_text(f"<!doctype html><meta charset=utf-8><body>{text}", "utf-8")
    with chromium.new_context() as context:
        page = opened(context, path)
        assert (found, page.url) == ([], path.as_uri())
        parts = page.evaluate(PARTS)
        assert {part[0] for part in parts} <= {*sanitizer.TEXT.split(), *sanitizer.MATHML.split()}
        assert {attribute for part in parts for attribute in part[1:]} <= ATTRIBUTES
        assert page.locator("main #end").is_visible()
        if name in snippets.ASKING:  # as it is, it does ask: this test can fail
            opened(context, control, found)
            assert f"/{name}" in [address.partition("?")[0] for address in found]
