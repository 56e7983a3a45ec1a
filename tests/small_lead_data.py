"""A small study of lead by transfer on disk, sound until a test breaks one part of it."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from recipe_on_disk import RecipeOnDisk

NM = np.arange(400.0, 2400.0, 40.0)
N, N_LIBRARY = 48, 90


def write_spectra_table(path, columns, R, nm=NM):
    """A table of reflectance as `read_spectra` takes it."""
    table = pa.table({**columns, **{f"{band:g}": R[:, i].astype(np.float32) for i, band in enumerate(nm)}})
    said = json.dumps({"spectra_kind": "reflectance_fraction"})
    pq.write_table(table.replace_schema_metadata({"geosoil": said}), path)


class LeadData(RecipeOnDisk):
    """pH bends the spectrum about 2200 nm; ln Pb follows pH, and a second feature that the library has too."""

    def __init__(self, folder):
        super().__init__(folder)
        rng = np.random.default_rng(0)
        self.ph_library, self.R_library = self.soils(rng, N_LIBRARY)
        self.ph, self.R = self.soils(rng, N)
        self.samples = pd.DataFrame(
            {
                "sample_id": [f"P{i:02d}" for i in range(N)],
                "pb_mg_kg": np.exp(5 + (self.ph - 6.5) + rng.normal(0, 0.1, N)).round(1),
                "x_m": rng.uniform(300000, 301200, N),
                "y_m": rng.uniform(2500000, 2501200, N),
                "site": np.repeat(["north", "east", "south", "west"], N // 4),
            }
        )
        self.write()

    @staticmethod
    def soils(rng, n):
        ph, iron = rng.uniform(4.5, 8.5, n), rng.random(n)
        A = 0.5 + 0.05 * rng.normal(size=(n, 1)) + 0.1 * np.outer(iron, np.exp(-(((NM - 900) / 150) ** 2)))
        A = A + 0.05 * np.outer(ph, np.exp(-(((NM - 2200) / 120) ** 2))) + 0.002 * rng.normal(size=(n, NM.size))
        return ph, 10.0**-A

    def write(self):
        self.samples.to_csv(self.folder / "samples.csv", index=False)
        write_spectra_table(self.folder / "spectra.parquet", {"sample_id": self.samples.sample_id}, self.R)
        columns = {"sample_id": [f"L{i:02d}" for i in range(len(self.ph_library))], "ph": self.ph_library}
        write_spectra_table(self.folder / "library.parquet", columns, self.R_library)

    def put_samples_into_library(self):
        """The library then holds the samples' own spectra, with their pH, behind its own."""
        self.R_library = np.concatenate([self.R_library, self.R])
        self.ph_library = np.concatenate([self.ph_library, self.ph])
        self.write()
