"""How near the generated spectra of held-out soils come to their laboratory spectra, beside simpler answers.

97 real soils, scanned dry and wet (`real_pairs.py`), six random 2:1 splits; RMSE in reflectance over all bands
of the soils held out, mean of the splits. The peer is ridge direct standardisation: all laboratory bands from
all satellite bands, with its penalty and the form of its input chosen by leave-one-out in the training rows.
SpectralVAE runs with its defaults, which were chosen on other splits and under other noise.

The time of a fit is shown too; that of the search of seeds is in `seeds.py`.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from measure import report
from real_pairs import moisture_pairs, two_to_one_splits
from sklearn.linear_model import RidgeCV

from geosoil import SpectralVAE

PENALTIES = np.logspace(-4, 5, 37)


def rmse(a: np.ndarray, b: np.ndarray) -> float:
    """Return the root mean squared difference."""
    return float(np.sqrt(np.mean((a - b) ** 2)))


def ridge(satellite: np.ndarray, laboratory: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Predict laboratory spectra by the best of three ridge regressions on the training rows."""
    mean, sd, spread = satellite.mean(axis=0), satellite.std(axis=0), np.sqrt(satellite.var(axis=0).mean())
    forms = (lambda x: (x - mean) / sd, lambda x: (x - mean) / spread, lambda x: np.log10(1 / x))
    fits = [RidgeCV(PENALTIES).fit(form(satellite), laboratory) for form in forms]
    best = int(np.argmax([fit.best_score_ for fit in fits]))
    return fits[best].predict(forms[best](wanted))


def main() -> bool:
    """Run the splits and print the claims."""
    pairs = moisture_pairs()
    satellite, laboratory = pairs["satellite"], pairs["laboratory"]
    figures: dict[str, list[float]] = {}
    for training, test in two_to_one_splits(len(satellite), range(6)):
        start = time.perf_counter()
        vae = SpectralVAE(output="vae").fit(satellite[training], laboratory=laboratory[training])
        seconds = time.perf_counter() - start
        answers = {
            "satellite as it is": satellite[test],
            "mean laboratory": np.broadcast_to(laboratory[training].mean(axis=0), laboratory[test].shape),
            "ridge": ridge(satellite[training], laboratory[training], satellite[test]),
            "SpectralVAE": vae.transform(satellite[test]),
        }
        for name, answer in answers.items():
            figures.setdefault(name, []).append(rmse(answer, laboratory[test]))
        figures.setdefault("fit, s", []).append(seconds)
        figures.setdefault("spread of generated / laboratory", []).append(vae.collapse_)
    for name, values in figures.items():
        print(f"{name:34s} {np.mean(values):.4f}   by split: {' '.join(f'{value:.4f}' for value in values)}")
    mean = {name: float(np.mean(values)) for name, values in figures.items()}
    generated = mean["SpectralVAE"]
    return all(
        [
            report("fusion_fidelity/mean-laboratory", generated / mean["mean laboratory"], "x", 0.70),
            report("fusion_fidelity/satellite", generated / mean["satellite as it is"], "x", 0.40),
            report("fusion_fidelity/ridge", generated / mean["ridge"], "x", 1.0),
        ]
    )


if __name__ == "__main__":
    sys.exit(not main())
