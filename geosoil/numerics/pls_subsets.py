"""PLS1 on very many small subsets of one library, each evaluated on the same rows of a site: RS-LOCAL in torch.

The algorithm is kernel PLS. A subset of k rows has a Gram matrix X X' `(k, k)`, and every component is one product with
it, instead of two with X, for which k x p numbers would have to be read from memory each time. Squaring X costs digits:
on 100 soil spectra and 10 components the errors agree with `numerics.pls` to 1e-9, which is far less than the
differences between subsets. All devices compute in float64.

References
----------
Rännar, Lindgren, Geladi & Wold (1994), Journal of Chemometrics 8, 111-125.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from geosoil.errors import DeviceError

if TYPE_CHECKING:
    import torch

Criterion = Literal["response", "reconstruction", "reconstruction_2020"]
_NUMBERS_AT_ONCE = 2**20  # of the subsets' X, 8 MiB: more do not fit into the cache, fewer show Python's overhead
_NUMBERS_AT_ONCE_CUDA = 2**26


class SubsetPLS:
    """PLS models of subsets of a library, and their errors on the rows of a site; centred, not scaled.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Spectra of the library.
    y : ndarray of shape (n,)
        Measured values of the library.
    X_new : ndarray of shape (m, p)
        Spectra of the site.
    y_new : ndarray of shape (m,) or None
        Measured values of the site; None where only spectra are compared.
    device : str
        torch's name of the device: "cpu", "cuda", ...
    n_workers : int, optional
        Threads that share the subsets of a call on the CPU (default: one per core). No error depends on their number.

    Raises
    ------
    DeviceError
        If a CUDA device is requested that torch cannot use.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [4.0, 1.0]])
    >>> pls = SubsetPLS(X, X @ [2.0, -1.0], X[:2] + 1.0, X[:2] @ [2.0, -1.0])
    >>> pls.errors(np.array([[0, 1, 2], [1, 2, 3]]), 2).round(9).tolist()
    [1.0, 1.0]
    """

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray,
        X_new: np.ndarray,
        y_new: np.ndarray | None,
        *,
        device: str = "cpu",
        n_workers: int | None = None,
    ) -> None:
        import torch

        self.device = torch.device(device)
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise DeviceError(
                "RS-LOCAL",
                found="no CUDA device that torch can use",
                expected=f"one for the device {device}",
                way_out="choose the device cpu, which selects the same rows, or install torch with CUDA",
            )
        self.n_workers = 1 if self.device.type != "cpu" else n_workers or len(os.sched_getaffinity(0))
        X = np.asarray(X, np.float64)
        shift = X.mean(axis=0)  # without it, centring the scores instead of each subset would cancel many digits
        self.X = self._tensor(X - shift)
        self.y = self._tensor(y)
        self.X_new = self._tensor(np.asarray(X_new, np.float64) - shift)
        self.y_new = None if y_new is None else self._tensor(y_new)
        self.shift = self._tensor(shift)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        import torch

        return torch.tensor(np.asarray(values, np.float64), device=self.device)

    def errors(self, subsets: np.ndarray, n_components: int, criterion: Criterion = "response") -> np.ndarray:
        """Compute the error of every subset on the rows of the site.

        Parameters
        ----------
        subsets : ndarray of shape (subset, k), int
            Rows of the library.
        n_components : int
            Number of components; those beyond the rank add nothing.
        criterion : {"response", "reconstruction", "reconstruction_2020"}
            "response" is the RMSE of the predicted `y_new`, in its unit. "reconstruction" is the RMSE of `X_new`
            rebuilt from its scores, averaged over the bands, in the unit of `X`. "reconstruction_2020" is that of R
            resemble of 2020: the mean of the subset is not subtracted from `X_new`, and one RMSE is taken over all
            bands.

        Returns
        -------
        ndarray of shape (subset,)
        """
        import torch

        n_components = min(n_components, subsets.shape[1] - 1, self.X.shape[1])
        at_once = _NUMBERS_AT_ONCE if self.device.type == "cpu" else _NUMBERS_AT_ONCE_CUDA
        batch = max(1, at_once // (subsets.shape[1] * self.X.shape[1]))
        starts = range(0, len(subsets), batch)

        def run(start: int) -> np.ndarray:
            with torch.inference_mode():
                rows = torch.from_numpy(subsets[start : start + batch].astype(np.int64)).to(self.device)
                errors: np.ndarray = self._errors(rows, n_components, criterion).cpu().numpy()
            return errors

        before = torch.get_num_threads()
        try:
            with (
                threadpool_limits(1),
                ThreadPoolExecutor(self.n_workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
            ):
                return np.concatenate(list(pool.map(run, starts)))
        finally:
            torch.set_num_threads(before)  # the limit that a worker sets applies to MKL as a whole

    def _errors(self, rows: torch.Tensor, n_components: int, criterion: Criterion) -> torch.Tensor:
        import torch

        n_fits, k = rows.shape
        X = self.X.index_select(0, rows.reshape(-1)).view(n_fits, k, -1)
        gram = _gram(X)
        y = self.y[rows]
        y_mean = y.mean(dim=1, keepdim=True)
        y = y - y_mean
        # The length that rounding leaves of a vector that should be null.
        noise = (
            4 * np.finfo(np.float64).eps * torch.diagonal(gram, dim1=1, dim2=2).sum(dim=1, keepdim=True) * _length(y)
        )
        scores = X.new_zeros(n_fits, n_components, k)
        duals = X.new_zeros(n_fits, n_components, k)  # scores = centred X X' dual
        y_loadings = X.new_zeros(n_fits, n_components)
        for a in range(n_components):
            t, dual = torch.bmm(y[:, None], gram), y[:, None]  # y is centred, so that X need not be
            t = t - t.mean(dim=2, keepdim=True)
            if a:
                along = torch.bmm(t, scores[:, :a].transpose(1, 2))
                t = torch.baddbmm(t, along, scores[:, :a], alpha=-1)
                dual = torch.baddbmm(dual, along, duals[:, :a], alpha=-1)
            length = _length(t[:, 0])
            inverse = torch.where(length > noise, 1 / length, 0.0)
            scores[:, a], duals[:, a] = t[:, 0] * inverse, dual[:, 0] * inverse
            q = (scores[:, a] * y).sum(dim=1, keepdim=True)
            y_loadings[:, a] = q[:, 0]
            y = y - q * scores[:, a]
        if criterion == "response":
            assert self.y_new is not None
            dual = torch.bmm(y_loadings[:, None], duals)
            coefficients = torch.bmm(dual, X)[:, 0]
            x_mean_part = torch.bmm(dual, gram)[:, 0].mean(dim=1, keepdim=True)
            errors = y_mean - x_mean_part + coefficients @ self.X_new.T - self.y_new
            return (errors**2).mean(dim=1).sqrt()
        rotations, loadings, x_mean = torch.bmm(duals, X), torch.bmm(scores, X), X.mean(dim=1, keepdim=True)
        new = self.X_new + self.shift if criterion == "reconstruction_2020" else self.X_new - x_mean
        errors = torch.matmul(torch.matmul(new, rotations.transpose(1, 2)), loadings) - new
        if criterion == "reconstruction_2020":
            return (errors**2).mean(dim=(1, 2)).sqrt()
        return (errors**2).mean(dim=1).sqrt().mean(dim=1)


def _gram(X: torch.Tensor) -> torch.Tensor:
    """Return X X' `(fit, k, k)` of X `(fit, k, p)`."""
    import torch

    if X.device.type != "cpu":
        return torch.bmm(X, X.transpose(1, 2))
    rows = X.numpy()
    return torch.from_numpy(rows @ rows.transpose(0, 2, 1))  # numpy uses the symmetry (syrk): half of torch's time


def _length(v: torch.Tensor) -> torch.Tensor:
    return (v * v).sum(dim=1, keepdim=True).sqrt()
