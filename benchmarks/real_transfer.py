"""Transfer from pH on real spectra, against PLSR, SVR, the network without transfer, and linear scores of the library.

`python benchmarks/real_transfer.py [yamsys_cu|yamsys_zn|nrw|multisite] [--rounds 10] [--labels 30] [-o FOLDER]`

yamsys_cu, yamsys_zn  94 soils of four West African sites, mid-infrared: pH -> total Cu, Zn; sites are left out too
nrw                   115 soils of North Rhine-Westphalia, mid-infrared: pH -> SOC
multisite             pH of two Brazilian sites, vis-NIR -> SOC of 125 soils of a Swedish one (sl_125)

pH is cheap and known for all rows but those tested, the target for `--labels` of them (0: all): the case for transfer.
In the first three the library is the same file, so rows that are tested are left out of it, split by split.
No open set has vis-NIR spectra with pH and Pb: none of this is lead. Bands are averaged to about 200 (no net reads more
windows), without which a round costs minutes. Not a figure with a limit: it prints who wins. Needs the reference
material beside the checkout; a message is printed where it is absent.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from measure import shared

SHARED = shared("spectra")
N_BANDS = 200
CASES = {
    "yamsys_cu": ("yamsys_west_africa_mir", "ph_h2o", "cu_total_mg_kg", "mg/kg", "Cu", "site"),
    "yamsys_zn": ("yamsys_west_africa_mir", "ph_h2o", "zn_total_mg_kg", "mg/kg", "Zn", "site"),
    "nrw": ("limesoda_nrw_115_mir", "ph_cacl2", "soc_pct", "%", "SOC", ""),
    "multisite": ("multisite_visnir_450_2450", "ph", "soc_pct", "%", "SOC", ""),
}
RECIPE = """
name = "{name}"
[data]
kind = "spectra"
spectra = "spectra.parquet"
library = "library.parquet"
bands = "bands.csv"
on_missing = "drop"
auxiliary = {{ column = "{source}" }}
{group}
[target]
column = "{target}"
unit = "{unit}"
title = "{title}"
log = "smearing"
[features]
preprocessing = [{{ step = "absorbance" }}]
[model]
kind = "transfer_resnet"
compare = ["transfer_resnet", "pls", "svr", "resnet", "source_pls_scores", "library_pca_scores", "random_resnet"]
svr = {{ search = "bayesian" }}
resnet = {{ epochs = {epochs}, patience = {patience} }}
transfer_resnet = {{ epochs = {epochs}, patience = {patience} }}
random_resnet = {{ epochs = {epochs}, patience = {patience} }}
[validation]
split = {splits}
n_repeats = {rounds}
{labels}
"""


def write_case(name: str, folder: Path, options: dict[str, int]) -> Path:
    """Write library, samples, bands and recipe of one case."""
    from geosoil.io.spectra.reader import read_spectra
    from geosoil.io.spectra.writer import write_spectra

    file, source, target, unit, title, group = CASES[name]
    spectra = read_spectra(SHARED / f"{file}.parquet")
    rows = np.arange(len(spectra.ids))
    here = spectra.table["library"] == "limesoda_sl_125_visnir" if name == "multisite" else np.ones(len(rows), bool)
    parts = {"spectra": rows[here], "library": rows[~here] if name == "multisite" else rows}
    for part, chosen in parts.items():
        kept = replace(
            spectra,
            values=spectra.values[chosen],
            ids=[spectra.ids[i] for i in chosen],
            table=spectra.table.iloc[chosen].reset_index(drop=True),
        )
        write_spectra(kept, folder / f"{part}.parquet")
    edge = np.array_split(spectra.wavelength_nm, min(N_BANDS, len(spectra.wavelength_nm)))
    centre = np.array([one.mean() for one in edge])[2:-2]  # a Gaussian band needs neighbours on both sides
    (folder / "bands.csv").write_text("wavelength_nm\n" + "".join(f"{nm:.3f}\n" for nm in centre))
    labels = options.pop("n_labels")
    text = RECIPE.format(
        name=name,
        splits=["holdout", "site_out"] if group else ["holdout"],
        group=f'group = "{group}"' if group else "",
        source=source,
        target=target,
        unit=unit,
        title=title,
        labels=f"n_labels = {labels}" if labels else "",
        **options,
    )
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


@click.command()
@click.argument("cases", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--rounds", default=10, show_default=True)
@click.option("--labels", default=30, show_default=True, help="Training rows whose target is known; 0: all.")
@click.option("--epochs", default=600, show_default=True)
@click.option("--patience", default=60, show_default=True)
@click.option("-o", "--output", type=Path, default=Path("real-transfer"), show_default=True)
def main(cases: tuple[str, ...], rounds: int, labels: int, epochs: int, patience: int, output: Path) -> None:
    """Compare transfer with direct models and controls on real spectra."""
    from geosoil import compare

    for name in cases or CASES:
        folder = output / name
        folder.mkdir(parents=True, exist_ok=True)
        options = {"rounds": rounds, "n_labels": labels, "epochs": epochs, "patience": patience}
        result = compare(write_case(name, folder, options), folder / "comparison.csv")
        click.echo(f"\n{name}\n{result.summary()}\nmodel minus transfer\n{result.differences.to_string(index=False)}")


if __name__ == "__main__":
    main()
