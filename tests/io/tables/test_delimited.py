import numpy as np
import pytest

from geosoil.errors import SamplesError
from geosoil.io.tables.delimited import read_text_table
from geosoil.io.tables.numbers import as_numbers
from geosoil.io.tables.reader import read_numbers

ROWS = [["Höhe1", "600000.5", "2.05"], ["Höhe2", "600100.0", "0.81"]]


def written(folder, text, name="t.csv", encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def numbers(folder, text, column, **options):
    table = read_text_table(written(folder, text), **options)
    return read_numbers(folder / "t.csv", table[column], table.iloc[:, 0].astype(str).to_numpy()).tolist()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_dialect_gives_the_same_table(tmp_path, encoding, separator, decimal, end):
    quote = '"' if separator == decimal else ""
    cells = [[cell.replace(".", decimal) for cell in row] for row in ROWS]
    lines = [["Profil", "x", "soc_pct"], *([f"{quote}{cell}{quote}" for cell in row] for row in cells)]
    text = end.join(separator.join(line) for line in lines)
    table = read_text_table(written(tmp_path, text, encoding=encoding))
    assert table.columns.tolist() == ["Profil", "x", "soc_pct"]
    assert table["Profil"].tolist() == ["Höhe1", "Höhe2"]
    assert as_numbers(table["x"]).tolist() == [600000.5, 600100] and as_numbers(table["soc_pct"]).tolist() == [
        2.05,
        0.81,
    ]


def test_tables_of_chinese_windows_keep_their_names(tmp_path):
    table = read_text_table(written(tmp_path, "样品编号,有机碳\n一号,2.5\n", encoding="gb18030"))
    assert table.columns.tolist() == ["样品编号", "有机碳"] and table.iloc[0].tolist() == ["一号", "2.5"]
    accents = read_text_table(written(tmp_path, "Größe,naïve Höhe\n1,2\n", encoding="cp1252"))
    assert accents.columns.tolist() == ["Größe", "naïve Höhe"]


def test_an_accent_after_many_plain_lines_is_read(tmp_path):
    text = "id,place\n" + "1,a\n" * 300_000 + "2,Höhe\n"
    assert read_text_table(written(tmp_path, text, encoding="cp1252"))["place"].iloc[-1] == "Höhe"


def test_quoted_cells_rows_and_columns_without_cells_and_the_line_for_excel_are_read(tmp_path):
    text = 'sep=;\n"site";"SOC\n(%)";;\n"a, b";"2,05";;\n;;;\n"c";"3";;\n'
    table = read_text_table(written(tmp_path, text))
    assert table.columns.tolist() == ["site", "SOC\n(%)"]
    assert table["site"].tolist() == ["a, b", "c"] and as_numbers(table["SOC\n(%)"]).tolist() == [2.05, 3]
    ends = read_text_table(written(tmp_path, "site,soc\na,1,\nb,2,\n"))
    assert ends.columns.tolist() == ["site", "soc"] and ends["soc"].tolist() == ["1", "2"]


@pytest.mark.parametrize("text", ['"","site","soc"\n"1","a",1.5\n"2","b",NA\n', 'site soc\n"1" "a" 1.5\n"2" "b" NA\n'])
def test_the_row_numbers_of_r_are_left_out_and_na_is_an_empty_cell(tmp_path, text):
    table = read_text_table(written(tmp_path, text))
    assert table.columns.tolist() == ["site", "soc"] and table["site"].tolist() == ["a", "b"]
    np.testing.assert_array_equal(as_numbers(table["soc"]), [1.5, np.nan])


def test_row_names_of_r_are_kept(tmp_path):
    table = read_text_table(written(tmp_path, '"soc","ph"\n"P1",1.5,6\n"P2",2.5,7\n'))
    assert table.columns.tolist() == ["row_names", "soc", "ph"] and table["row_names"].tolist() == ["P1", "P2"]


@pytest.mark.parametrize(
    ("cells", "separator", "values"),
    [
        (["2,05", "1.234,5", "3"], ";", [2.05, 1234.5, 3]),
        (["1,234", "2,345"], ";", [1.234, 2.345]),  # Excel writes semicolons where the comma is the decimal mark
        (["1,234", "0,5"], "\t", [1.234, 0.5]),
        (['"1,234"', '"2,345.5"'], ",", [1234, 2345.5]),
        (['"1,234"', '"1,234,567"'], ",", [1234, 1234567]),
        (["1.234", "5.678"], ",", [1.234, 5.678]),
        (["1.234", "5.678"], ";", [1.234, 5.678]),
        (["1 234,5", "1\u202f234", "1'234,25"], ";", [1234.5, 1234, 1234.25]),
        (["-1e-04", "+2.5E3"], ",", [-1e-4, 2500]),
        (["-,5", "#NV", "NA"], ";", [-0.5, np.nan, np.nan]),
    ],
)
def test_a_mark_that_is_certain_is_read(tmp_path, cells, separator, values):
    rows = "".join(f"s{i}{separator}{cell}\n" for i, cell in enumerate(cells))
    np.testing.assert_array_equal(numbers(tmp_path, f"site{separator}soc\n{rows}", "soc"), values)


@pytest.mark.parametrize(
    "text",
    [
        "site\tsoc\na\t1,234\nb\t5,678\n",
        'site,soc\na,"1,234"\nb,"5,678"\n',
        "site;soc;x\na;1.234;0,5\nb;5.678;0,7\n",  # a decimal point among decimal commas, or thousands
        'site,soc,x\na,"1,234",0.5\nb,"5,678",0.7\n',
    ],
)
def test_a_mark_with_two_meanings_is_refused_until_it_is_given(tmp_path, text):
    with pytest.raises(SamplesError, match=r"row 1 \(a\).*clearly a decimal mark.*data\.decimal.*--decimal"):
        numbers(tmp_path, text, "soc")
    given = {decimal: numbers(tmp_path, text, "soc", decimal=decimal) for decimal in ".,"}
    assert sorted(given.values()) == [[1.234, 5.678], [1234, 5678]]
    mark = "." if "1.234" in text else ","
    assert given[mark] == [1.234, 5.678]


def test_a_text_with_a_comma_stays_an_id_and_a_mark_of_the_other_kind_is_refused(tmp_path):
    text = "site;soc\n1,5;2,05\n12.03.2020;n.d.\n"
    assert read_text_table(written(tmp_path, text))["site"].tolist() == ["1,5", "12.03.2020"]
    with pytest.raises(SamplesError, match=r"'n.d.' in column soc, row 2"):
        numbers(tmp_path, text, "soc")
    with pytest.raises(SamplesError, match="'1,5' in column soc, row 2"):
        numbers(tmp_path, 'site,soc\na,2.5\nb,"1,5"\n', "soc")
    with pytest.raises(SamplesError, match=r"decimal 'x'; expected '.' or ','"):
        read_text_table(written(tmp_path, text), decimal="x")


def test_two_columns_of_one_name_are_told_apart(tmp_path):
    table = read_text_table(written(tmp_path, "site,soc,soc\na,1,2\n"))
    assert table.columns.tolist() == ["site", "soc", "soc.1"]


@pytest.mark.parametrize("content", [b"", b" \n \n", b"\x00\x01\x02\x00", b"a,b\n1,2\n1,2,3,4\n"])
def test_what_is_not_a_table_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(SamplesError, match="not a readable table") as raised:
        read_text_table(tmp_path / "t.csv")
    assert "\n" not in str(raised.value)
