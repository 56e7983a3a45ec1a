"""Write spectra as Parquet tables that `read_spectra` reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from geosoil.errors import SamplesError
from geosoil.io.atomic import atomic_path
from geosoil.io.spectra.table import METADATA_KEY, SPECTRA_KINDS

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.io.spectra.unify import Spectra


def write_spectra(spectra: Spectra, path: str | Path) -> None:
    """Write spectra to a Parquet file that `read_spectra` reads: ids in `sample_id`, one column per band.

    Parameters
    ----------
    spectra : Spectra
        The spectra.
    path : path-like
        The file to create or replace.

    Raises
    ------
    OutputError
        If the file cannot be written.
    SamplesError
        If `spectra.table` already has a column of one of the names.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from geosoil.io.spectra.reader import read_spectra
    >>> from geosoil.io.spectra.unify import Spectra
    >>> spectra = Spectra(np.array([400.0, 500.0]), np.array([[0.1, 0.2]], np.float32), ["a"],
    ...                   pd.DataFrame({"soc_pct": [1.2]}), "reflectance", Path("a.csv"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_spectra(spectra, Path(folder) / "a.parquet")
    ...     read_spectra(Path(folder) / "a.parquet").values
    array([[0.1, 0.2]], dtype=float32)
    """
    names = [_band_name(nm) for nm in spectra.wavelength_nm]
    taken = {"sample_id", *names} & set(map(str, spectra.table.columns))
    if taken:
        raise SamplesError(
            path, found=f"{sorted(taken)[0]!r} in the table", expected="other names", way_out="rename that column"
        )
    ids = pd.DataFrame({"sample_id": spectra.ids})
    bands = pd.DataFrame(np.asarray(spectra.values, dtype=np.float32), columns=names)
    table = pa.Table.from_pandas(
        pd.concat([ids, spectra.table.reset_index(drop=True), bands], axis=1), preserve_index=False
    )
    kind = next(kind for kind, quantity in SPECTRA_KINDS.items() if quantity == spectra.quantity)
    entries = json.dumps({"spectra_kind": kind, "source": spectra.source.name}).encode()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), METADATA_KEY: entries})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _band_name(wavelength_nm: float) -> str:
    return repr(float(wavelength_nm)).removesuffix(".0")
