"""RS-LOCAL: selection of the rows of a spectral library that suit one site.

Subsets of the library are drawn at random, a PLS model of each is evaluated on the samples of the site, and the rows of
the worst subsets are dropped, until k rows remain. The selection uses the samples of the site, so cross-validation on
selected rows and site rows is optimistic: only other samples of the site show how good the model is.

References
----------
Lobsey, Viscarra Rossel, Roudier & Hedley (2017), European Journal of Soil Science 68, 840-852; version 2 of 2020.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from geosoil.errors import RecipeError, SamplesError
from geosoil.io.journal import Identity, Journal
from geosoil.numerics.pls_subsets import Criterion, SubsetPLS

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

LEAST_SITE_SAMPLES = 5  # for comparing subsets of a library
ErrorKind = Literal["response", "reconstruction"]
Retention = Literal["proportion", "probability"]


@dataclass(frozen=True)
class Pass:
    """The results of one pass: rows before and after, subsets drawn, median and mean of their errors, rows dropped."""

    n_before: int
    n_after: int
    n_subsets: int
    median_error: float
    mean_error: float
    n_dropped: int


@dataclass(frozen=True, eq=False)
class RSLocalResult:
    """The rows that RS-LOCAL selected, and the course of the selection.

    Attributes
    ----------
    rows : ndarray of shape (k,), int
        Rows of the library, ascending.
    errors : ndarray of shape (k,)
        Mean error of the subsets with each row in the last pass, in the unit of y or, by reconstruction, of X; NaN
        without a pass, or if no subset contained the row.
    passes : DataFrame
        One row per `Pass`.
    dropped : list of ndarray
        The rows that each pass dropped.
    """

    rows: np.ndarray
    errors: np.ndarray
    passes: pd.DataFrame
    dropped: list[np.ndarray]

    @property
    def order(self) -> np.ndarray:
        """The rank of each row `(k,)` by the error of its subsets, 1 the smallest."""
        rank = np.empty(len(self.rows), dtype=np.intp)
        rank[np.argsort(self.errors, kind="stable")] = np.arange(1, len(self.rows) + 1)
        return rank


def rs_local(
    X_library: np.ndarray,
    y_library: np.ndarray,
    X_site: np.ndarray,
    y_site: np.ndarray | None,
    *,
    k: int = 100,
    b: int = 40,
    r: float = 0.05,
    n_components: int = 10,
    by: ErrorKind = "response",
    retention: Retention = "proportion",
    compat: Literal["2020"] | None = None,
    seed: int = 0,
    subsets: Sequence[np.ndarray] | None = None,
    journal: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    n_workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> RSLocalResult:
    """Select the k rows of a library whose PLS models have the smallest errors on a site.

    Parameters
    ----------
    X_library : ndarray of shape (n, band)
        Preprocessed spectra of the library (SNV of absorbance in Shen et al. 2022).
    y_library : ndarray of shape (n,)
        The property of the library.
    X_site : ndarray of shape (m, band)
        Spectra of the site, preprocessed in the same way; m is 5 or more.
    y_site : ndarray of shape (m,) or None
        The property of the site in the same unit; None is allowed with `by="reconstruction"`.
    k : int
        Number of rows to select, and of a subset.
    b : int
        How often a row is tested on average in a pass, which draws round(rows b / k) subsets.
    r : float
        Share of the rows that a pass drops.
    n_components : int
        Number of PLS components, limited to k - 1 and the number of bands.
    by : {"response", "reconstruction"}
        The error of a subset: the RMSE of `y_site`, or that of `X_site` rebuilt from its scores.
    retention : {"proportion", "probability"}
        "proportion" drops the share r with the largest mean error, and the first of equal rows; "probability" drops
        all rows from the 1 - r quantile (type 7) of the mean errors. Rows that are in no subset are kept.
    compat : {"2020"}, optional
        By default exactly k rows remain. "2020" follows the rules of R resemble of that year: the last pass is not
        limited, so that fewer than k rows may remain, and reconstruction omits the mean of the subset.
    seed : int
        The seed of the subsets. Neither the number of workers nor the device changes the result.
    subsets : sequence of ndarray of shape (subset, k), int, optional
        Rows of the library for each pass, instead of random ones.
    journal : path, optional
        A file that is updated after each pass; a run with the same inputs resumes from it.
    device : str
        torch's name of the device: "cpu", "cuda", ...
    n_workers : int, optional
        Threads on the CPU (default: one per core).
    progress : callable, optional
        Called with "RS-LOCAL", the number of rows dropped and the number of rows to drop.

    Returns
    -------
    RSLocalResult

    Raises
    ------
    SamplesError
        If there is NaN, the bands differ, k is larger than n, or there are fewer than 5 samples of the site.
    RecipeError
        If settings are not valid.
    OutputError
        If the journal is damaged or belongs to other inputs.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(40, 4))
    >>> y = np.where(np.arange(40) < 20, X @ [1.0, 2.0, 0.0, 0.0], X @ [0.0, 0.0, 2.0, 1.0])  # two kinds of soil
    >>> X_site = rng.normal(size=(8, 4))
    >>> result = rs_local(X, y, X_site, X_site @ [1.0, 2.0, 0.0, 0.0], k=8, n_components=4)
    >>> len(result.rows), bool((result.rows < 20).all())
    (8, True)
    """
    criterion = _criterion(by, compat)
    _check_settings(k, b, r, n_components, retention)
    X_library, X_site = _spectra(X_library, "library"), _spectra(X_site, "site")
    y_library = _contents(y_library, X_library, "library")
    y_site = None if y_site is None and by == "reconstruction" else _contents(y_site, X_site, "site")
    _check_sizes(X_library, X_site, k)
    pls = SubsetPLS(X_library, y_library, X_site, y_site, device=device, n_workers=n_workers)
    settings = {
        "k": k, "b": b, "r": r, "n_components": n_components, "by": by, "retention": retention, "compat": compat,
        "seed": seed, "subsets": "drawn" if subsets is None else "given",
    }  # fmt: skip
    arrays = {"X_library": X_library, "y_library": y_library, "X_site": X_site, "y_site": y_site}
    arrays |= {f"subsets {i}": given for i, given in enumerate(subsets or ())}
    record = None if journal is None else Journal(Path(journal), Identity.of(settings, arrays))
    n = len(X_library)
    passes, left, errors = _finished(record, n)
    members = np.setdiff1d(np.arange(n), np.concatenate(left)) if left else np.arange(n)
    n_before, share = (passes[-1].n_before, passes[-1].n_dropped / passes[-1].n_before) if passes else (n, r)
    while len(members) > k and (compat is None or n_before > k * (1 + share)):
        drawn = (
            _subsets(members, k, b, seed, len(passes)) if subsets is None else _given(subsets, len(passes), members, k)
        )
        subset_errors = pls.errors(drawn, n_components, criterion)
        errors = _mean_error(drawn, subset_errors, n)
        dropped = _worst(members, errors, r, retention, len(members) - k if compat is None else None)
        n_before, share = len(members), len(dropped) / len(members)
        members = np.setdiff1d(members, dropped)
        median, mean = float(np.median(subset_errors)), float(subset_errors.mean())
        passes.append(Pass(n_before, len(members), len(drawn), median, mean, len(dropped)))
        left.append(dropped)
        if record is not None:
            finished = [[asdict(row) for row in passes], [rows.tolist() for rows in left], errors.tolist()]
            record.write(json.dumps(finished).encode())
        if progress is not None:
            progress("RS-LOCAL", n - len(members), n - k)
    table = pd.DataFrame([asdict(row) for row in passes], columns=list(Pass.__dataclass_fields__))
    return RSLocalResult(members, errors[members], table, left)


def _finished(record: Journal | None, n: int) -> tuple[list[Pass], list[np.ndarray], np.ndarray]:
    """Return the passes that a journal holds, the rows that each of them dropped, and the last errors of all n rows."""
    content = None if record is None else record.read()
    if content is None:
        return [], [], np.full(n, np.nan)
    passes, left, errors = json.loads(content)
    return [Pass(**values) for values in passes], [np.array(rows, np.intp) for rows in left], np.array(errors)


def draw_subsets(n: int, k: int, n_subsets: int, rng: np.random.Generator) -> np.ndarray:
    """Draw k of n without replacement, many times at once, with Floyd's algorithm: no list of n is shuffled.

    Parameters
    ----------
    n, k, n_subsets : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n_subsets, k), int32
        Subsets, all with the same probability.

    References
    ----------
    Bentley & Floyd (1987), Communications of the ACM 30, 754-757.

    Examples
    --------
    >>> np.sort(draw_subsets(3, 3, 2, np.random.default_rng(0)), axis=1).tolist()
    [[0, 1, 2], [0, 1, 2]]
    """
    drawn = np.empty((k, n_subsets), dtype=np.int32)
    for i, last in enumerate(range(n - k, n)):
        candidate = rng.integers(0, last + 1, n_subsets, dtype=np.int32)
        drawn[i] = np.where((drawn[:i] == candidate).any(axis=0), last, candidate)
    return drawn.T


def _subsets(members: np.ndarray, k: int, b: int, seed: int, number: int) -> np.ndarray:
    """Draw the subsets of a pass from a separate generator, so that a run can resume at any pass."""
    n_subsets = max(1, round(len(members) * b / k))
    return members[draw_subsets(len(members), k, n_subsets, np.random.default_rng([seed, number]))]


def _given(subsets: Sequence[np.ndarray], number: int, members: np.ndarray, k: int) -> np.ndarray:
    if number >= len(subsets):
        raise SamplesError(
            "subsets",
            found=f"subsets for {len(subsets)} passes",
            expected="more passes",
            way_out="give subsets for every pass",
        )
    given = np.asarray(subsets[number])
    sorted_rows = np.sort(given, axis=-1) if given.ndim == 2 else given
    if (
        given.ndim != 2
        or given.shape[1] != k
        or not np.isin(given, members).all()
        or (np.diff(sorted_rows, axis=1) == 0).any()
    ):
        raise SamplesError(
            f"subsets of pass {number + 1}",
            found=f"shape {given.shape}",
            expected=f"(subset, {k}) rows of the {len(members)} that remain, without repetition in a subset",
            way_out="give rows of the library as they were drawn",
        )
    return given


def _mean_error(subsets: np.ndarray, subset_errors: np.ndarray, n: int) -> np.ndarray:
    """Return the mean error `(n,)` of the subsets that contain each row; NaN where there is none."""
    rows, weight = subsets.reshape(-1), np.repeat(subset_errors, subsets.shape[1])
    counts = np.bincount(rows, minlength=n)
    total = np.bincount(rows, weights=weight, minlength=n)
    return np.divide(total, counts, out=np.full(n, np.nan), where=counts > 0)


def _worst(members: np.ndarray, errors: np.ndarray, r: float, retention: Retention, most: int | None) -> np.ndarray:
    """Return the members to drop: the worst, at least one and at most `most`."""
    mean = errors[members]
    tested = ~np.isnan(mean)
    worst_first = members[np.argsort(np.where(tested, -mean, np.inf), kind="stable")][: tested.sum()]
    if retention == "proportion":
        n_dropped = max(1, int(len(members) * r + 0.5 + 1e-9))  # halves up, the result of R's rounding of n (1 - 0.95)
    else:
        n_dropped = int(np.sum(mean[tested] >= np.quantile(mean[tested], 1 - r)))
    return np.sort(worst_first[: n_dropped if most is None else min(n_dropped, most)])


def _criterion(by: str, compat: str | None) -> Criterion:
    if by not in get_args(ErrorKind) or compat not in (None, "2020"):
        raise RecipeError(
            "RS-LOCAL",
            found=f"by={by!r}, compat={compat!r}",
            expected="by 'response' or 'reconstruction', compat None or '2020'",
            way_out="choose one of these",
        )
    if by == "response":
        return "response"
    return "reconstruction" if compat is None else "reconstruction_2020"


def _check_settings(k: int, b: int, r: float, n_components: int, retention: str) -> None:
    if k < 2 or b < 1 or not 0 < r < 1 or n_components < 1 or retention not in get_args(Retention):
        raise RecipeError(
            "RS-LOCAL",
            found=f"k={k}, b={b}, r={r:g}, n_components={n_components}, retention={retention!r}",
            expected="k of 2 or more, b and n_components of 1 or more, r between 0 and 1, proportion or probability",
            way_out="change these; usual values are k=100, b=40, r=0.05 and 10 components",
        )


def _check_sizes(X_library: np.ndarray, X_site: np.ndarray, k: int) -> None:
    if X_library.shape[1] != X_site.shape[1]:
        raise SamplesError(
            "library and site",
            found=f"{X_library.shape[1]} and {X_site.shape[1]} bands",
            expected="the same bands in both",
            way_out="resample them to common bands with align_library",
        )
    if len(X_library) < k:
        raise SamplesError(
            "library", found=f"{len(X_library)} rows for k={k}", expected="at least k", way_out="choose a smaller k"
        )
    if len(X_site) < LEAST_SITE_SAMPLES:
        raise SamplesError(
            "site",
            found=f"{len(X_site)} samples",
            expected=f"at least {LEAST_SITE_SAMPLES} for the selection from the library",
            way_out="analyse more samples of the site",
        )


def _spectra(X: np.ndarray, name: str) -> np.ndarray:
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or not np.isfinite(X).all():
        n_bad = int((~np.isfinite(X)).any(axis=1).sum()) if X.ndim == 2 else len(X)
        raise SamplesError(
            name,
            found=f"spectra of shape {X.shape}, {n_bad} of them with NaN",
            expected="one finite row per sample",
            way_out="drop these samples or bands",
        )
    return X


def _contents(y: np.ndarray | None, X: np.ndarray, name: str) -> np.ndarray:
    y = np.asarray(() if y is None else y, dtype=np.float64)
    if y.shape != (len(X),) or not np.isfinite(y).all():
        raise SamplesError(
            name,
            found=f"{int(np.isfinite(y).sum())} contents for {len(X)} spectra",
            expected="one finite number for each",
            way_out="drop the samples without a content",
        )
    return y
