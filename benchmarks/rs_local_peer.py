"""RS-LOCAL on 5000 x 210, n = 30, k = 100, b = 10, r = 0.05, 10 components: about 9,800 regressions.

R `rslocal` (resemble of 2020) took 17.5 s, one thread, measured elsewhere. That the rows are those of the peer's rule
is shown twice: by a loop of scikit-learn fits over the same subsets, a whole run on the first 400 rows of the library,
and by the golden runs of R in tests/samples/test_rs_local.py.

    python benchmarks/rs_local_peer.py
"""

from __future__ import annotations

import sys
import time

import numpy as np
from measure import report, seconds_of
from sklearn.cross_decomposition import PLSRegression
from soil_library import soil_library

from geosoil.samples.rs_local import draw_subsets, rs_local

K, B, R, N_COMPONENTS = 100, 10, 0.05, 10


def scikit_learn_loop(
    X: np.ndarray, y: np.ndarray, X_site: np.ndarray, y_site: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Choose K rows by one PLSRegression after the other: the rows, and the subsets of each pass."""
    members = np.arange(len(y))
    passes: list[np.ndarray] = []
    while len(members) > K:
        n_subsets = round(len(members) * B / K)
        subsets = members[draw_subsets(len(members), K, n_subsets, np.random.default_rng(len(passes)))]
        passes.append(subsets)
        total, times = np.zeros(len(y)), np.zeros(len(y))
        for rows in subsets:
            predicted = PLSRegression(N_COMPONENTS, scale=False).fit(X[rows], y[rows]).predict(X_site)
            total[rows] += np.sqrt(np.mean((predicted.reshape(-1) - y_site) ** 2))
            times[rows] += 1
        tested = members[times[members] > 0]
        worst_first = tested[np.argsort(-total[tested] / times[tested], kind="stable")]
        n_dropped = min(max(1, int(len(members) * R + 0.5)), len(members) - K)
        members = np.setdiff1d(members, worst_first[:n_dropped])
    return members, passes


def main() -> bool:
    """Time the whole run, then choose by scikit-learn on a part and compare."""
    X, y, X_site, y_site = soil_library(5000, 210)
    runs = []
    seconds = seconds_of(
        lambda: runs.append(rs_local(X, y, X_site, y_site, k=K, b=B, r=R, n_components=N_COMPONENTS)), 3
    )
    result = runs[0]
    n_fits = int(result.passes.n_subsets.sum())
    print(f"{n_fits} regressions in {len(result.passes)} passes, {min(seconds) / n_fits * 1e6:.0f} us each")
    start = time.perf_counter()
    rows, subsets = scikit_learn_loop(X[:400], y[:400], X_site, y_site)
    theirs = (time.perf_counter() - start) / sum(map(len, subsets))
    ours = rs_local(X[:400], y[:400], X_site, y_site, k=K, b=B, r=R, n_components=N_COMPONENTS, subsets=subsets)
    print(f"scikit-learn: {theirs * 1e6:.0f} us each; on 400 rows, {len(subsets)} passes, the same subsets:")
    same = report("rs_local_same_rows", len(np.intersect1d(rows, ours.rows)), "rows", K, at_most=False)
    return report("rs_local_peer", min(seconds), "s", 3) and same


if __name__ == "__main__":
    sys.exit(not main())
