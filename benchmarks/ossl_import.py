"""Import a table of the size of the Open Soil Spectral Library: 135 651 rows of 1076 bands, about 1 GB of CSV.

The table is made here, with the columns of the library (level 1); its spectra are mixtures with noise, and a third of
the places are known to the county only. Time and peak memory are those of a process of its own. `--quick`: 8192 rows.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import asked_quick, figures_of_process, own_peak_mib, report, seconds_of

from geosoil.workflows.library import import_library

N_ROWS, QUICK_ROWS, CHUNK = 135_651, 8192, 8192
NM = np.arange(350, 2501, 2)
COLUMNS = (
    "dataset.code_ascii_txt",
    "id.layer_uuid_txt",
    "longitude.point_wgs84_dd",
    "latitude.point_wgs84_dd",
    "longitude.county_wgs84_dd",
    "latitude.county_wgs84_dd",
    "layer.upper.depth_usda_cm",
    "layer.lower.depth_usda_cm",
    "clay.tot_usda.a334_w.pct",
    "oc_usda.c729_w.pct",
    "ph.h2o_usda.a268_index",
    "cec_usda.a723_cmolc.kg",
)


def write_table(path: Path, n_rows: int) -> None:
    """Write a table of the library in chunks of rows."""
    rng = np.random.default_rng(0)
    ends = np.stack([0.05 + 0.3 * (1 - np.exp(-NM / 900)), 0.1 + 0.2 * NM / 2500, 0.03 + 0.1 * np.sqrt(NM / 2500)])
    with path.open("w") as file:
        file.write(",".join([*COLUMNS, *(f"scan_visnir.{nm}_ref" for nm in NM)]) + "\n")
        spectra = rng.dirichlet(np.ones(3), CHUNK) @ ends + rng.normal(0, 0.002, (CHUNK, len(NM)))
        texts = [",".join(np.char.mod("%.5f", row)) for row in spectra]
        for start in range(0, n_rows, CHUNK):
            count = min(CHUNK, n_rows - start)
            contents = rng.gamma(2, [10, 1, 3, 8], (count, 4))
            for row, text, (clay, oc, ph, cec) in zip(
                range(start, start + count), rng.permutation(texts), contents, strict=False
            ):
                point = f"{row % 360 - 180},{row % 170 - 85},NA,NA" if row % 3 else f"NA,NA,{row % 50 - 120},40.5"
                file.write(f"KSSL.SSL,{row:032x},{point},0,20,{clay:.3f},{oc:.4f},{ph:.2f},{cec:.3f},{text}\n")


def main() -> None:
    """Measure and report; with the arguments TABLE and OUTPUT import them and print seconds and MiB."""
    if len(sys.argv) == 3:
        (seconds,) = seconds_of(lambda: import_library(sys.argv[1], sys.argv[2]), 1)
        print(seconds, time.process_time(), own_peak_mib())
        return
    n_rows = QUICK_ROWS if asked_quick(__doc__) else N_ROWS
    with tempfile.TemporaryDirectory() as folder:
        table, output = Path(folder) / "ossl.csv", Path(folder) / "library.parquet"
        write_table(table, n_rows)
        seconds, cpu_seconds, peak_mib = figures_of_process(__file__, table, output)
        sizes = [path.stat().st_size / 1e9 for path in (table, output)]
        print(f"{n_rows} rows, {sizes[0]:.2f} GB of CSV, {sizes[1]:.2f} GB of Parquet")
        print(f"{cpu_seconds:.1f} s of processor time; the load of the machine was {os.getloadavg()[0]:.1f}")
    held = [report("ossl_import", seconds, "s", 90), report("ossl_import_memory", peak_mib, "MiB", 2048)]
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
