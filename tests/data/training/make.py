"""Makes rows.csv and trees.json: `python make.py` with numpy 2.4.6."""
import json
import numpy as np
import reference

rng = np.random.default_rng(7)
n = 1500
X = rng.normal(size=(n, 10))
X[:, 1] = rng.exponential(size=n)
X[:, 7] = np.where(rng.random(n) < 0.9, 0.0, rng.exponential(size=n))
X[:, 8] = rng.normal(3.5, 1.2, n)
X[:, 9] = rng.integers(0, 24, n)
X = np.round(X, 4)
odds = -4 + 1.2 * X[:, 0] + 0.8 * X[:, 1] + 1.5 * (X[:, 7] > 0.5) + (X[:, 9] < 5) + 0.7 * X[:, 0] * (X[:, 3] > 0)
y = rng.random(n) < 1 / (1 + np.exp(-odds))
base, trees = reference.train(X, y)
scores = reference.score(base, trees, X)
with open("rows.csv", "w") as rows:
    for x, fraud in zip(X, y):
        rows.write(",".join([f"{v:g}" for v in x] + [str(int(fraud))]) + "\n")
with open("trees.json", "w") as out:
    json.dump({"base": base, "trees": trees, "scores": [float(s) for s in scores[:100]]}, out)
print(y.sum())
