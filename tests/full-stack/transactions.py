"""Transactions whose verdicts are known: usual amounts of one user, then, if wanted, one that is twenty times the usual."""

import json
import time

# Enough for the adaptive rule to judge: it does so from nine.
USUAL = 16
UNUSUAL_AMOUNT = 912.0


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
    """Usual ones, then the one that alerts."""
    return [*usual(user), transaction(user, USUAL, UNUSUAL_AMOUNT, int(time.time() * 1000))]


def bad(user):
    """A record that no decoder takes, under the user's partition key: it travels among that user's."""
    return user, "{ this is no JSON"
