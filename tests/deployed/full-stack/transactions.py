"""Transactions whose verdicts are known: usual amounts of one user, and optionally an amount that is twenty times as large."""

import json
import time

# Enough for the adaptive rule to judge, which it does from nine on.
USUAL = 16
UNUSUAL_AMOUNT = 912.0
# Transactions in one wave of a user.
WAVE = 9


def transaction(user, number, amount, event_time_ms):
    record = {
        "userId": user, "amount": amount, "timestamp": event_time_ms, "transactionId": f"{user}_{number}",
        "merchantId": "merchant_1",
    }
    return user, json.dumps(record)


def usual(user, count=USUAL, first=0):
    """Amounts around 43, a tenth of a second apart, the last one now."""
    now_ms = int(time.time() * 1000)
    return [transaction(user, first + i, 40.0 + (first + i) % 7, now_ms - (count - i) * 100) for i in range(count)]


def with_anomaly(user):
    """Usual transactions, then one that alerts."""
    return [*usual(user), transaction(user, USUAL, UNUSUAL_AMOUNT, int(time.time() * 1000))]


def wave(user, number, anomaly):
    """Usual transactions of a user who sends wave after wave. Two of them, and the anomaly if there is one, are sent twice, as by a
    producer that got no response. A verdict needs nine, so the first wave cannot have an anomaly.
    """
    now_ms, records = int(time.time() * 1000), usual(user, WAVE, number * WAVE)
    middle = WAVE // 2
    unusual = [transaction(user, f"unusual_{number}", UNUSUAL_AMOUNT, now_ms)] * 2 if anomaly else []
    return [*records[:middle], *records[:2], *unusual, *records[middle:]]


def bad(user):
    """A record that no decoder accepts, under the user's partition key, so that it is among that user's records."""
    return user, "{ this is not JSON"
