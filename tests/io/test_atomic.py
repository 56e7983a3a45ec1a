import pytest

from geosoil.errors import OutputError
from geosoil.io.atomic import atomic_path, require_writable, require_writable_folder


def test_a_finished_file_replaces_the_old_one_and_leaves_nothing_beside_it(tmp_path):
    final = tmp_path / "map.tif"
    final.write_text("old")
    with atomic_path(final) as temporary:
        assert temporary.suffix == ".tif" and temporary.parent == tmp_path and not temporary.exists()
        temporary.write_text("new")
        temporary.with_name(temporary.name + ".aux.xml").write_text("side file")
        assert final.read_text() == "old"
    assert final.read_text() == "new"
    assert list(tmp_path.iterdir()) == [final]


def test_a_failure_leaves_the_old_file_and_no_part_of_the_new(tmp_path):
    final = tmp_path / "map.tif"
    final.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_path(final) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert final.read_text() == "old"
    assert list(tmp_path.iterdir()) == [final]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder, "a folder"),
        (lambda folder: folder / "absent" / "map.tif", "does not exist"),
        (lambda folder: folder / "file.txt" / "map.tif", "is not a folder"),
        (lambda folder: folder / ("n" * 300), "cannot be written"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_any_work(tmp_path, make, message):
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(OutputError, match=message), atomic_path(make(tmp_path)):
        pytest.fail("the body was run")
    with pytest.raises(OutputError, match=message):
        require_writable(make(tmp_path))


def test_checking_an_output_changes_nothing(tmp_path):
    (tmp_path / "map.tif").write_text("old")
    assert require_writable(tmp_path / "map.tif") == tmp_path / "map.tif"
    assert require_writable_folder(tmp_path / "new" / "maps") == tmp_path / "new" / "maps"
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif"]
    assert (tmp_path / "map.tif").read_text() == "old"


@pytest.mark.parametrize("name", ["file.txt", "file.txt/maps", "/proc/maps"])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path, name):
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(OutputError, match="expected a writable folder"):
        require_writable_folder(tmp_path / name)


def test_a_body_that_writes_nothing_is_a_bug_in_geosoil(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "map.tif"):
        pass
