from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from geosoil.errors import SamplesError
from geosoil.io.spectra.labels import join_labels
from geosoil.io.spectra.unify import Spectra

FILES = {"file": ["a.0", "b.0", "c.0"]}


def spectra(ids=("a", "b", "c"), columns=FILES):
    values = np.full((len(ids), 2), 0.5, np.float32)
    return Spectra(np.array([500.0, 600.0]), values, list(ids), pd.DataFrame(columns), "reflectance", Path("folder"))


def table(folder, text):
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def test_labels_are_joined_by_id_and_what_did_not_match_is_named(tmp_path):
    joined = join_labels(spectra(), table(tmp_path, "soc_pct,lab\n1.5,c\n0.5,a\n2,x\n"))
    np.testing.assert_array_equal(joined.table["soc_pct"], [0.5, np.nan, 1.5])
    assert joined.notes == (
        "labels.csv: labels for 2 of 3 spectra",
        "spectra without labels (1): b",
        "rows of labels.csv without a spectrum (1): x",
    )


@pytest.mark.parametrize("ids", [["a", "b", "c"], ["a.0", "b.0", "c.0"]])
def test_labels_may_name_spectra_by_id_or_by_file(tmp_path, ids):
    text = "plot,soc_pct\n" + "".join(f"{name},{i}\n" for i, name in enumerate(ids))
    assert join_labels(spectra(), table(tmp_path, text)).table["soc_pct"].tolist() == [0, 1, 2]


def test_labels_may_name_the_sample_that_several_spectra_share(tmp_path):
    columns = {**FILES, "sample_name": ["s1", "s1", "s2"]}
    joined = join_labels(spectra(columns=columns), table(tmp_path, "sample_id,soc_pct\ns1,1\ns2,2\n"))
    assert joined.table["soc_pct"].tolist() == [1, 1, 2]
    assert joined.table["label_id"].tolist() == ["s1", "s1", "s2"]
    assert joined.notes[-1] == "spectra that share their labels with another one (1): keep them in the same fold"


def test_the_column_of_ids_may_be_named(tmp_path):
    path = table(tmp_path, "first,second,soc_pct\na,c,1\nb,b,2\nc,a,3\n")
    assert join_labels(spectra(), path).table["soc_pct"].tolist() == [1, 2, 3]
    assert join_labels(spectra(), path, id_column="second").table["soc_pct"].tolist() == [3, 2, 1]
    with pytest.raises(SamplesError, match='column "third" is missing'):
        join_labels(spectra(), path, id_column="third")


def test_a_column_is_of_numbers_only_if_all_its_cells_are(tmp_path):
    path = table(tmp_path, "id;soc_pct;ph;code\na;1,5;<4;007\nb;;5,5;008\nc;2,5;6;009\n")
    labels = join_labels(spectra(), path).table
    np.testing.assert_array_equal(labels["soc_pct"], [1.5, np.nan, 2.5])
    assert labels["ph"].tolist() == ["<4", "5,5", "6"]
    assert labels["code"].tolist() == ["007", "008", "009"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,soc_pct\nx,1\ny,2\n", r"no column names the spectra, such as a, b, c; .*--id"),
        ("id,soc_pct\na,1\na,2\n", "id is not unique: a"),
        ("id,file\na,1\nb,2\n", "a column file, which the spectra have, too"),
        ("id,soc_pct\na,1\n,2\n", "no id in row 2"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, text, message):
    with pytest.raises(SamplesError, match=message):
        join_labels(spectra(), table(tmp_path, text))
