import spectra_files as files

from geosoil.io.spectra.reader import read_spectra


def test_a_folder_and_its_labels_become_a_library(tmp_path, geosoil):
    (tmp_path / "a.spc").write_bytes(files.spc([[0.25, 0.5, 0.375]], first=500, last=700))
    (tmp_path / "README.txt").write_text("measured on Monday")
    (tmp_path / "labels.csv").write_text("id,soc_pct\na,1.5\n")
    output = tmp_path / "library.parquet"
    done = geosoil(
        "spectra", tmp_path, "--labels", tmp_path / "labels.csv", "--wavelengths", "500:700:50", "-o", output
    )
    assert done.code == 0, done.err
    assert "not spectra, and left out: README.txt" in done.out
    assert "labels for 1 of 1 spectra" in done.out
    assert "1 x 5 bands of reflectance, 500 to 700 nm" in done.out
    assert read_spectra(output).wavelength_nm.tolist() == [500, 550, 600, 650, 700]


def test_an_unclear_file_is_one_line_that_names_the_option(tmp_path, geosoil):
    (tmp_path / "a.spc").write_bytes(files.spc([[0.25, 0.5, 0.375]], y_type=128))
    done = geosoil("spectra", tmp_path, "-o", tmp_path / "library.parquet")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "found transmittance" in done.err and "--quantity" in done.err
    assert not (tmp_path / "library.parquet").exists()
    wrong = geosoil("spectra", tmp_path, "--wavelengths", "700:500:5", "-o", tmp_path / "library.parquet")
    assert wrong.code == 2
