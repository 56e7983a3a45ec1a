"""The tags of an output name what it was made of, and no secret."""

from geosoil import __version__
from geosoil.io.provenance import provenance_tags, shown_name


def test_tags_name_model_inputs_options_and_version_and_leave_out_what_was_not_given():
    tags = provenance_tags({"cube": "a.tif", "scale": 0.5, "mask": None}, model=("soc", "0123"), notes=("one", "two"))
    assert tags["GEOSOIL_MODEL"] == "soc"
    assert tags["GEOSOIL_MODEL_SHA256"] == "0123"
    assert (tags["GEOSOIL_CUBE"], tags["GEOSOIL_SCALE"]) == ("a.tif", "0.5")
    assert "GEOSOIL_MASK" not in tags
    assert tags["GEOSOIL_VERSION"] == __version__
    assert tags["GEOSOIL_NOTES"] == "one; two"


def test_no_value_has_the_secret_of_an_address():
    address = "https://me:word@example.org/a.tif?X-Amz-Signature=abcdef&token=xyz"
    tags = provenance_tags({"cube": address}, notes=(f"read {address}",))
    text = " ".join(tags.values())
    assert not any(secret in text for secret in ("word", "abcdef", "xyz"))
    assert shown_name(address) == "a.tif"


def test_the_time_of_a_reproducible_build_is_used(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert provenance_tags({})["GEOSOIL_CREATED"].startswith("1970-01-01T00:00:00")
