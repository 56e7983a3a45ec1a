"""`geosoil predict` of 100 000 spectra x 2151 bands from Parquet, by PLSR of all bands.

Against the time in which pandas reads the same file, in a process of its own like the prediction. `--quick`: 5000
spectra, of which most of the time is the start of the two programs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from measure import asked_quick, report, seconds_of
from sklearn.pipeline import make_pipeline

import geosoil
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.models.contract import Feature, Target
from geosoil.spectra.scatter import SNV

WAVELENGTH_NM = np.arange(350, 2501)
LIMIT = 3.0
READ = "import sys, pandas; pandas.read_parquet(sys.argv[1])"


def write_spectra(path: Path, n_rows: int) -> None:
    """Write smooth spectra of soil, brighter at long waves and darker at those of water, in parts of 10 000 rows."""
    rng = np.random.default_rng(0)
    mean = 0.15 + 0.0002 * (WAVELENGTH_NM - 350) - 0.1 * np.exp(-(((WAVELENGTH_NM - 1930) / 50) ** 2))
    shapes = np.cumsum(rng.normal(0, 0.002, (6, len(WAVELENGTH_NM))), axis=1).astype(np.float32)
    writer = None
    for start in range(0, n_rows, 10_000):
        n = min(10_000, n_rows - start)
        noise = rng.normal(0, 0.001, (n, len(WAVELENGTH_NM))).astype(np.float32)
        R = mean.astype(np.float32) + rng.uniform(-0.5, 0.5, (n, 6)).astype(np.float32) @ shapes + noise
        columns = {"sample_id": [f"S{i}" for i in range(start, start + n)]}
        table = pa.table(columns | {str(nm): band for nm, band in zip(WAVELENGTH_NM, R.T, strict=True)})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def save_model(folder: Path, table: Path) -> None:
    """Fit PLSR to the first rows of the table, and save it."""
    first = next(pq.ParquetFile(table).iter_batches(300)).to_pandas().drop(columns="sample_id").to_numpy(np.float32)
    features = [Feature(f"{nm} nm", float(nm)) for nm in WAVELENGTH_NM]
    pipeline = make_pipeline(SNV(), PartialLeastSquares(max_components=10))
    model = geosoil.Predictor.fit(
        pipeline, first, first[:, 1500] * 10, features=features, targets=[Target("soc", "%", (0.0, 100.0))]
    )
    model.save(folder)


def main() -> None:
    """Time reading and predicting in turn, and report their ratio."""
    n_rows = 5000 if asked_quick(__doc__) else 100_000
    with TemporaryDirectory() as scratch:
        table, model, output = (Path(scratch) / name for name in ("spectra.parquet", "soc", "out.csv"))
        write_spectra(table, n_rows)
        save_model(model, table)
        read = [sys.executable, "-c", READ, str(table)]
        words = ["predict", str(table), "--model", str(model), "-o", str(output)]
        predict = [sys.executable, "-m", "geosoil_cli.main", *words]
        read_s, predict_s = [], []
        for _ in range(3):
            read_s += seconds_of(lambda: subprocess.run(read, check=True), 1)
            predict_s += seconds_of(lambda: subprocess.run(predict, check=True, stdout=subprocess.DEVNULL), 1)
        assert pd.read_csv(output)["soc"].notna().sum() == n_rows
        print(f"{table.stat().st_size / 1e6:.0f} MB; read {min(read_s):.1f} s, predicted {min(predict_s):.1f} s")
    sys.exit(not report("predict_rate", min(predict_s) / min(read_s), "times", LIMIT))


if __name__ == "__main__":
    main()
