"""The live page for a long time at its highest speed: the memory of its server and of the page in the browser does not grow.

`tests/deployed/pages/run -o python_files=soak.py`. It is no part of the tests: it takes DURATION seconds, ten minutes if nothing else is
said. LEAST_RATE is the least number of transactions a second that it has to reach. SIGMA names a faster build than that of the tests.
"""

import os
import statistics
import time

import psutil
import pytest

from conftest import Visitor, served
from test_live import DESKTOP, number, promises

DURATION = int(os.environ.get("DURATION", 600))
LEAST_RATE = int(os.environ.get("LEAST_RATE", 1000))
# A day on the page takes 14.4 s.
SPEED = 6000
LOOK_SECONDS = 5
# What somebody presses meanwhile, in turns.
PRESSED = ["poison", "crash", "slow", "poison", "crash", "slow"]
# In the last third of the time, at most so much of what it took in the second third.
GROWTH_MAX = 1.1
MB = 1_000_000


@pytest.fixture
def page(browser):
    """The server's process and an open page."""
    with served(SPEED) as (process, address):
        visitor = Visitor(browser, address)
        try:
            yield psutil.Process(process.pid), visitor.open(viewport=DESKTOP)
        finally:
            visitor.close()


class Heap:
    """What the page itself holds, without its garbage."""

    def __init__(self, page):
        self.devtools = page.context.new_cdp_session(page)

    def look(self):
        self.devtools.send("HeapProfiler.collectGarbage")
        used = self.devtools.send("Runtime.getHeapUsage")["usedSize"] / MB
        return used, self.devtools.send("Memory.getDOMCounters")["nodes"]


def looks(server, page):
    """(memory of the server in MB, heap of the page in MB, its nodes), again and again; meanwhile somebody presses."""
    heap, end = Heap(page), time.monotonic() + DURATION
    while time.monotonic() < end:
        page.locator(f"#{PRESSED[0]}").click()
        PRESSED.append(PRESSED.pop(0))
        page.wait_for_timeout(LOOK_SECONDS * 1000)
        yield server.memory_info().rss / MB, *heap.look()


def test_memory_does_not_grow(page):
    server, page = page
    before, started = number(page, "transactions"), time.monotonic()
    seen = list(looks(server, page))
    rate = (number(page, "transactions") - before) / (time.monotonic() - started)
    third = len(seen) // 3
    middle, last = ([statistics.median(column) for column in zip(*part)] for part in (seen[third:2 * third], seen[-third:]))
    names = ["server, MB", "page, MB", "nodes"]
    print(f"{rate:.0f} transactions a second")
    for name, first, second, third in zip(names, seen[0], middle, last):
        print(f"{name}: {first:.1f} at first, {second:.1f} in the second third, {third:.1f} in the last")
    assert promises(page) == [0, 0, 0]
    assert rate >= LEAST_RATE
    assert all(late <= GROWTH_MAX * early for early, late in zip(middle, last))
