"""A backtest with hostile names, and a browser that records every error."""

import collections
import json
import os
import pathlib
import subprocess

import pytest
from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[3]
TARGET = ROOT / "target" / "report"
SIGMA = ROOT / "target" / "debug" / "sigma"
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
    TARGET.mkdir(parents=True, exist_ok=True)
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


@pytest.fixture
def open_page(browser, backtest):
    """Opens the page in a context with these settings. At the end asserts that there was no error and no request."""
    address, _ = backtest
    complaints, contexts = [], []

    def open_with(**settings):
        context = browser.new_context(offline=True, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: request.url == address or complaints.append(f"request: {request.url}"))
        page.goto(address)
        return page

    yield open_with
    for context in contexts:
        context.close()
    assert complaints == []
