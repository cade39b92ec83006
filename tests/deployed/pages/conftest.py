"""A backtest with hostile names, a live page, and a browser that records every error."""

import collections
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import urllib.request

import pytest
from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[3]
TARGET = ROOT / "target" / "pages"
TARGET.mkdir(parents=True, exist_ok=True)
SIGMA = pathlib.Path(os.environ.get("SIGMA", ROOT / "target" / "debug" / "sigma"))
# Closes every element that it could be in, and triggers a dialog if it is ever interpreted as markup.
HOSTILE = """</script></style></title><img src=x onerror="alert(1)">' onfocus='alert(2)' autofocus <b>"""
# A window of a week: at these rates a user has few transactions in five minutes.
RULES = ["--rule", "adaptive", "--rule", "profile", "--rule", "tumbling", "--window-seconds", "604800"]


def sigma(*arguments):
    subprocess.run([SIGMA, *arguments, "--quiet"], check=True, cwd=ROOT)


def rename_busy(source, target):
    """Gives the hostile name to a busy user, whose transactions are drawn."""
    records = [json.loads(line) for line in source.read_text().splitlines()]
    busy, _ = collections.Counter(record["userId"] for record in records).most_common(4)[-1]
    renamed = [record | {"userId": HOSTILE} if record["userId"] == busy else record for record in records]
    target.write_text("".join(json.dumps(record) + "\n" for record in renamed))


@pytest.fixture(scope="session")
def backtest():
    """The page's address and the summary that it was drawn from."""
    generated, renamed = TARGET / "generated.jsonl", TARGET / "transactions.jsonl"
    report, summary = TARGET / "report.html", TARGET / "summary.json"
    sigma("generate", "fraud", "--users", "60", "--duration", "60d", "--rate", "600/d", "--out", generated)
    rename_busy(generated, renamed)
    source = renamed.relative_to(ROOT)
    sigma("replay", "--input", source, "--label-column", "label", *RULES, "--report", report, "--summary", summary)
    return report.as_uri(), json.loads(summary.read_text())


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        # Chromium has no sandbox for root.
        arguments = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=arguments)
        yield browser
        browser.close()


@contextlib.contextmanager
def served(speed):
    """The process of a live page, and its address. At the end asserts that nothing was lost, doubled or invented: its exit code says so."""
    command = [SIGMA, "demo", "--serve", "--port", "0", "--speed", str(speed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        lines = (line.split()[0] for line in demo.stdout if line.startswith("http://127.0.0.1:"))
        address = next(lines)
        try:
            yield demo, address
        except BaseException:
            demo.kill()
            raise
        # Ctrl-C ends it although a page is open.
        with urllib.request.urlopen(f"{address}/updates"):
            demo.send_signal(signal.SIGINT)
            said = demo.stdout.read()
        assert demo.wait() == 0, said
        assert "lost 0, doubled 0, invented 0" in said


@pytest.fixture(scope="session")
def live():
    """The address of a live page."""
    with served(speed=1200) as (_, address):
        yield address


class Visitor:
    """Opens one address, and takes down every error and every request to elsewhere."""

    def __init__(self, browser, address, **settings):
        self.browser, self.address, self.settings = browser, address, settings
        self.complaints, self.contexts = [], []

    def open(self, **settings):
        context = self.browser.new_context(**self.settings, **settings)
        self.contexts.append(context)
        page = context.new_page()
        complain = self.complaints.append
        page.on("console", lambda message: complain(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complain(f"error: {error}"))
        page.on("dialog", lambda dialog: (complain(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: request.url.startswith(self.address) or complain(f"request: {request.url}"))
        page.goto(self.address)
        return page

    def close(self):
        for context in self.contexts:
            context.close()
        assert self.complaints == []


@pytest.fixture
def open_page(browser, backtest):
    """Opens the report in a context with these settings. At the end asserts that there was no error and no request."""
    address, _ = backtest
    visitor = Visitor(browser, address, offline=True)
    yield visitor.open
    visitor.close()


@pytest.fixture
def open_live(browser, live):
    """Opens the live page likewise."""
    visitor = Visitor(browser, live)
    yield visitor.open
    visitor.close()
