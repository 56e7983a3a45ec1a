"""What is finished of a run is kept whole, and is never taken for that of another run."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geosoil.errors import OutputError
from geosoil.io.journal import FORMAT, Identity, Journal, resumed_note, seal, unseal

PART = seal(np.arange(12, dtype=np.float32).tobytes(), "run", "0_1", shape=[1, 3, 4], error=None)


def test_a_part_is_read_as_it_was_sealed():
    facts, content = unseal(PART, "run", "0_1")
    assert facts == {"shape": [1, 3, 4], "error": None}
    assert np.frombuffer(content, np.float32).tolist() == list(range(12))


@given(st.integers(0, 8 * len(PART) - 1))
@settings(deadline=None)
def test_a_part_with_any_bit_flipped_is_damaged(bit):
    content = bytearray(PART)
    content[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError, match="damaged"):
        unseal(bytes(content), "run", "0_1")


@given(st.integers(0, len(PART) - 1))
@settings(deadline=None)
def test_a_part_cut_short_is_damaged(length):
    with pytest.raises(ValueError, match="damaged"):
        unseal(PART[:length], "run", "0_1")


@pytest.mark.parametrize(("run", "part"), [("run", "1_0"), ("another run", "0_1"), ("run", "")])
def test_a_part_in_the_place_of_another_or_of_another_run_is_damaged(run, part):
    with pytest.raises(ValueError, match="damaged, or not the part that its name says"):
        unseal(PART, run, part)


@pytest.mark.parametrize("head", ["", "null", "7", "[1]", "{}", "[" * 99_999, '{"sha256": 1e400}', '{"sha256": null}'])
def test_the_header_of_another_file_is_damaged_too(head):
    with pytest.raises(ValueError, match="damaged"):
        unseal(head.encode() + b"\n", "run")


SETTINGS, ARRAYS = {"seed": 1, "layers": (8, 4)}, {"X": np.zeros((2, 3)), "y": None}
CHANGES = [
    ({"seed": 2}, {}, "an earlier run with seed = 1; expected seed = 2"),
    ({"seed": "1"}, {}, 'an earlier run with seed = 1; expected seed = "1"'),
    ({"layers": (8, 5)}, {}, r"layers = \[8, 4\]; expected layers = \[8, 5\]"),
    ({"dropout": 0.1}, {}, r"dropout = not given; expected dropout = 0\.1"),
    ({}, {"X": np.zeros((3, 2))}, "an earlier run with another X; expected the same X"),
    ({}, {"X": np.zeros((2, 3), np.float32)}, "another X"),
    ({}, {"y": np.zeros(1)}, "another y"),
]


@pytest.mark.parametrize(("settings_", "arrays", "message"), CHANGES)
def test_another_identity_is_refused_and_the_first_difference_named(tmp_path, settings_, arrays, message):
    earlier, now = Identity.of(SETTINGS, ARRAYS), Identity.of(SETTINGS | settings_, ARRAYS | arrays)
    assert earlier.sha256 != now.sha256
    path = tmp_path / "journal"
    Journal(path, earlier).write(b"finished")
    with pytest.raises(OutputError, match=f"journal: found {message if 'an earlier' in message else f'.*{message}'}"):
        Journal(path, now).read()


def test_the_same_settings_in_another_order_are_the_same_identity(tmp_path):
    path = tmp_path / "journal"
    Journal(path, Identity.of(SETTINGS, ARRAYS)).write(b"finished")
    assert Journal(path, Identity.of({"layers": [8, 4], "seed": 1}, ARRAYS)).read() == b"finished"


def test_a_changed_file_is_another_identity(tmp_path):
    file = tmp_path / "a.tif"
    hashes = []
    for content in (b"one", b"two", b"one"):
        file.write_bytes(content)
        hashes.append(Identity.of({}, files={"input": file}).parts["input"])
    assert hashes[0] != hashes[1]
    assert hashes[0].startswith("sha256:")


def test_a_journal_that_is_not_there_holds_nothing(tmp_path):
    assert Journal(tmp_path / "journal", Identity({})).read() is None


@pytest.mark.parametrize(
    "content",
    [
        b"", b"SOC\n1.2\n", b"\x80\x04", b"{}", b"[" * 99_999,
        seal(b"x", Identity({"seed": 1}).sha256, format="another", made_of={"seed": 1}),
        seal(b"x", Identity({"seed": 2}).sha256, format=FORMAT, made_of={"seed": 1}),
        seal(b"x", "", format=FORMAT, made_of="seed"),
        Identity({"seed": 1}).seal(b"finished")[:-1],
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_file_is_one_line_and_stays_as_it_is(content, tmp_path):
    path = tmp_path / "journal"
    path.write_bytes(content)
    with pytest.raises(OutputError, match="found a file that is damaged, or not a journal of this version") as refused:
        Journal(path, Identity({"seed": 1})).read()
    assert str(refused.value).isprintable()
    assert path.read_bytes() == content


def test_names_and_values_of_a_stranger_are_shown_short_and_printable(tmp_path):
    path = tmp_path / "journal"
    Journal(path, Identity({"\x1b]0;title\x07" * 99: "\n\x1b" * 9999})).write(b"")
    with pytest.raises(OutputError) as refused:
        Journal(path, Identity({"seed": 1})).read()
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500 + len(str(path))


def test_a_resumed_run_reports_what_was_finished():
    assert resumed_note(12, "blocks") == "resumed: 12 blocks were already finished"
    assert resumed_note(1, "blocks") == "resumed: 1 block was already finished"
    assert json.loads(Identity({"seed": 1}).seal(b"").partition(b"\n")[0])["made_of"] == {"seed": 1}


def test_the_order_of_settings_does_not_change_an_identity():
    first = Identity.of({"seed": 1, "network": {"epochs": 5, "hidden": [8, 4]}})
    assert first.sha256 == Identity.of({"network": {"hidden": [8, 4], "epochs": 5}, "seed": 1}).sha256
    assert first.sha256 != Identity.of({"seed": 1, "network": {"epochs": 5, "hidden": [4, 8]}}).sha256
