"""The adaptive rule of docs/rule.md, as a Python engineer would write it: panes of count, mean and squares in plain lists.

A pane's mean is a plain float here; sigma's carries 16 bits more. Verdicts differ only where those bits decide.
"""

from functools import lru_cache
from math import exp, lgamma, log, pi, sqrt
from statistics import NormalDist

WINDOW_MS = 300_000
PANES = 30
SIGMAS = 2.5
OBSERVATIONS_MIN = 9
PSEUDO_OBSERVATIONS_MAX = 10
MEMORY = 200
STDDEV_FLOOR_RATIO = 0.05
RECENT_MAX = 16


def merge(a, b):
    """Chan's formula over (count, mean, squares)."""
    if not a[0]:
        return b
    if not b[0]:
        return a
    count = a[0] + b[0]
    share = b[0] / count
    difference = b[1] - a[1]
    return (count, a[1] + difference * share, a[2] + b[2] + difference * difference * a[0] * share)


def push(moments, x):
    """Welford's update of [count, mean, squares] in place."""
    moments[0] += 1
    before = x - moments[1]
    moments[1] += before / moments[0]
    moments[2] += before * (x - moments[1])


@lru_cache(maxsize=None)
def multiplier(count):
    """k(n): the prediction interval for one more observation. Student's t by Newton's method from the normal quantile."""
    degrees, wanted = count - 1, NormalDist().cdf(SIGMAS)
    t = SIGMAS
    for _ in range(50):
        step = (student_cdf(t, degrees) - wanted) / student_pdf(t, degrees)
        t -= step
        if abs(step) < 1e-12:
            break
    return t * sqrt(1 + 1 / count)


def student_pdf(t, degrees):
    norm = lgamma((degrees + 1) / 2) - lgamma(degrees / 2) - log(degrees * pi) / 2
    return exp(norm - (degrees + 1) / 2 * log(1 + t * t / degrees))


def student_cdf(t, degrees):
    """Simpson's rule from 0 to t; smooth, so 400 steps are far more exact than needed."""
    steps = 400
    h = t / steps
    inner = sum((4 if i % 2 else 2) * student_pdf(i * h, degrees) for i in range(1, steps))
    return 0.5 + h / 3 * (student_pdf(0, degrees) + inner + student_pdf(t, degrees))


def empty_state():
    return {"newest": None, "panes": {}, "long": [0, 0.0, 0.0], "positions": {}, "recent": []}


def step(state, shard, sequence, transaction):
    """Applies one transaction. Returns None or, for an anomaly, (mean, stddev, threshold, score, count)."""
    positions = state["positions"]
    if sequence <= positions.get(shard, -1):
        return None
    positions[shard] = sequence
    identity = transaction.get("transactionId")
    if identity is not None:
        identity = f"{identity}:{transaction['amount']}"
        if identity in state["recent"]:
            return None
    time, newest = transaction["timestamp"], state["newest"]
    if newest is not None and time <= newest - WINDOW_MS:
        return None
    if identity is not None:
        state["recent"] = (state["recent"] + [identity])[-RECENT_MAX:]
    return judge(state, time, transaction["amount"])


def judge(state, time, amount):
    panes, pane = state["panes"], time * PANES // WINDOW_MS
    window = (0, 0.0, 0.0)
    for number in sorted(panes, key=int):
        if pane - PANES < int(number) <= pane:
            window = merge(window, panes[number])
    long = state["long"]
    pseudo = min(max(long[0] - window[0], 0), PSEUDO_OBSERVATIONS_MAX)
    count, mean, squares = merge(window, (pseudo, long[1], pseudo * long[2]))
    found, folded = None, amount
    if count >= OBSERVATIONS_MIN:
        stddev = max(sqrt(squares / (count - 1)), STDDEV_FLOOR_RATIO * abs(mean))
        reach = multiplier(count) * stddev
        if amount - mean > reach:
            found = (mean, stddev, mean + reach, (amount - mean) / stddev if stddev else 1e9, count)
        folded = min(max(amount, mean - reach), mean + reach)
    fold(state, time, pane, folded)
    return found


def fold(state, time, pane, amount):
    panes = state["panes"]
    newest = max(state["newest"] or time, time)
    state["newest"] = newest
    oldest = newest * PANES // WINDOW_MS - PANES
    for number in [number for number in panes if int(number) < oldest]:
        del panes[number]
    push(panes.setdefault(str(pane), [0, 0.0, 0.0]), amount)
    long = state["long"]
    long[0] += 1
    alpha = 1 / min(long[0], MEMORY)
    before = amount - long[1]
    long[1] += alpha * before
    long[2] = (1 - alpha) * (long[2] + alpha * before * before)
