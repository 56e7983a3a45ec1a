import numpy as np
import pytest
import spectra_files as files

from geosoil.errors import OutputError, SamplesError, WavelengthError
from geosoil.io.spectra.reader import read_spectra
from geosoil.workflows.info import describe_path
from geosoil.workflows.spectra import collect_spectra

VALUES = [0.25, 0.5, 0.375, 0.125]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "soils"
    folder.mkdir()
    (folder / "a.spc").write_bytes(files.spc([VALUES], first=500, last=800))
    (folder / "b.asd").write_bytes(files.asd(VALUES[::-1], [1, 1, 1, 1], first=500.0, step=100.0))
    (folder / "labels.csv").write_text("id,soc_pct,site\na,1.5,x\nc,2.5,y\n")
    return folder


def test_spectra_and_labels_become_one_table_that_is_read_again(folder):
    result = collect_spectra(folder, folder / "library.parquet", labels=folder / "labels.csv")
    library = read_spectra(folder / "library.parquet")
    assert library.ids == ["a", "b"]
    assert library.values.tolist() == [VALUES, VALUES[::-1]]
    np.testing.assert_array_equal(library.table["soc_pct"], [1.5, np.nan])
    assert library.table["site"].isna().tolist() == [False, True]
    assert result.notes == (
        "labels.csv: labels for 1 of 2 spectra",
        "spectra without labels (1): b",
        "rows of labels.csv without a spectrum (1): c",
    )
    again = collect_spectra(folder, folder / "library.parquet", labels=folder / "labels.csv")
    assert again.spectra.ids == ["a", "b"]  # and not the rows of the first output, too


def test_files_with_different_wavelengths_are_interpolated_to_a_grid(folder):
    (folder / "c.spc").write_bytes(files.spc([[0.2, 0.4]], first=400, last=800))
    with pytest.raises(WavelengthError, match=r"c\.spc: .*--wavelengths"):
        collect_spectra(folder, folder / "library.parquet")
    result = collect_spectra(folder, folder / "library.parquet", wavelengths_nm=[500, 550, 800])
    np.testing.assert_allclose(result.spectra.values, [[0.25, 0.375, 0.125], [0.125, 0.25, 0.25], [0.25, 0.275, 0.4]])
    assert result.notes[-1] == "interpolated linearly to 3 bands: spectra 2 of 4 bands, 1 of 2 bands"
    with pytest.raises(WavelengthError, match=r"a\.spc: found spectra from 500 to 800 nm; expected 450 to 800 nm"):
        collect_spectra(folder, folder / "library.parquet", wavelengths_nm=[450, 800])
    with pytest.raises(WavelengthError, match="increasing wavelengths"):
        collect_spectra(folder, folder / "library.parquet", wavelengths_nm=[800, 500])


def test_nothing_is_written_if_a_file_is_damaged_or_the_output_has_another_ending(folder):
    (folder / "c.spc").write_bytes(b"\0\x4b")
    with pytest.raises(SamplesError, match=r"c\.spc"):
        collect_spectra(folder, folder / "library.parquet")
    assert not (folder / "library.parquet").exists()
    with pytest.raises(OutputError, match=r"LIBRARY\.parquet"):
        collect_spectra(folder, folder / "library.csv")


def test_info_names_the_files_of_a_folder_that_are_not_spectra(folder):
    described = describe_path(folder)
    assert "2 x 4 bands of reflectance" in described
    assert "not spectra, and left out: labels.csv" in described
