"""Errors are one readable line, and no text that is shown contains a secret."""

import pickle

import pytest

from geosoil.errors import OutputError, RasterError, without_secrets

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:word@example.org/a.tif", "https://***@example.org/a.tif"),
        ("https://me:p@ss@example.org/a.tif", "https://***@example.org/a.tif"),
        ("https://ghp_token@example.org/a@2.tif", "https://***@example.org/a@2.tif"),
        ("/vsicurl/http://me:word@host:8080/a.tif: 403", "/vsicurl/http://***@host:8080/a.tif: 403"),
        (
            "https://b.s3.amazonaws.com/a.tif?X-Amz-Algorithm=AWS4&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F2026"
            "&X-Amz-Signature=0f1e&x=1",
            "https://b.s3.amazonaws.com/a.tif?X-Amz-Algorithm=***&X-Amz-Credential=***&X-Amz-Signature=***&x=***",
        ),
        ("http://h/a?AWSAccessKeyId=AB&Signature=vj%2Bx%3D&Expires=9", "http://h/a?AWSAccessKeyId=***&Signature=***&Expires=***"),
        ("https://h/a.tif?sv=2024-01-01&se=2027&sr=b&sp=r&sig=a%2Fb%3D", "https://h/a.tif?sv=***&se=***&sr=b&sp=***&sig=***"),
        ("https://h/a.tif?token=abc; next.tif", "https://h/a.tif?token=***; next.tif"),
        ("not a raster (https://h/a.tif?access_token=abc)", "not a raster (https://h/a.tif?access_token=***)"),
        ("https://h/a.tif?band=3&api_key=abc#part", "https://h/a.tif?band=3&api_key=***"),
        ("/vsicurl?url=https%3A%2F%2Fh%3Fsig%3Dabc%26x%3D1", "/vsicurl?url=https%3A%2F%2Fh%3Fsig%3D***%26x%3D***"),
        ("https://h/a.tif?sig=a:b: not a raster", "https://h/a.tif?sig=***: not a raster"),
        ("<a>https://h/a.tif?x=1&amp;sig=abc</a>", "<a>https://h/a.tif?x=***&amp;sig=***</a>"),
        ("https://b.oss/a.tif?OSSAccessKeyId=LT&x-oss-signature=q%2B", "https://b.oss/a.tif?OSSAccessKeyId=***&x-oss-signature=***"),
        ("https://h/a.tif?q-ak=1&q-signature=2", "https://h/a.tif?q-ak=***&q-signature=***"),
        ("https://h/a.tif?code=1&jwt=2&pwd=3#token=4", "https://h/a.tif?code=***&jwt=***&pwd=***#token=***"),
        ("/vsicurl?header.Authorization=Bearer abc&url=http://h", "/vsicurl?header.Authorization=***&url=http://h"),
        ("/vsicurl?url=https%253A%252F%252Fh%253Fsig%253Dabc", "/vsicurl?url=https%253A%252F%252Fh%253Fsig%253D***"),
        ("sent Authorization: Bearer abc", "sent Authorization: ***"),
        ("the key AKIAIOSFODNN7EXAMPLE is unknown", "the key *** is unknown"),
    ],
)  # fmt: skip
def test_logins_signatures_and_key_ids_are_hidden(text, shown):
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/a.tif",
        "https://example.org/a.tif?year=2020&bbox=1,2,3,4",
        "items.json#data",
        "a.tif: found no CRS; expected a CRS; assign one with gdal_edit",
        "C:\\data\\key=value.tif; mail me@example.org",
        "band=3; key=4",
    ],
)
def test_a_text_without_secrets_is_unchanged(text):
    assert without_secrets(text) == text


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_secrets_of_the_environment_are_hidden_anywhere_in_a_text(monkeypatch, name):
    monkeypatch.setenv(name, SECRET)
    text = f"signed with {SECRET} and wJalrXUtnFEMI%2FK7MDENG%2BbPxRfiCYEXAMPLEKEY"
    assert without_secrets(text) == "signed with *** and ***"


def test_an_empty_or_short_variable_hides_nothing(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a")
    assert without_secrets("a map of arsenic") == "a map of arsenic"


def test_no_part_of_an_error_shows_a_secret_even_from_another_process():
    address = "https://me:word@example.org/a.tif?sig=abcdef"
    error = OutputError(address, found=f"no {address}", expected=f"a {address}", way_out=f"see {address}")
    for copy in (error, pickle.loads(pickle.dumps(error))):
        assert isinstance(copy, OutputError)
        assert "word" not in str(copy) and "abcdef" not in str(copy) and "word" not in repr(copy)
        assert str(copy).count("https://***@example.org/a.tif?sig=***") == 4


def test_a_problem_replaces_what_was_found_and_needs_no_expectation():
    error = OutputError("a.tif", problem="the disk is full", way_out="free some space")
    assert str(error) == "a.tif: the disk is full; free some space"
    error = OutputError("a.toml", problem="not valid TOML", expected="a recipe", way_out="correct it")
    assert str(error) == "a.toml: not valid TOML; expected a recipe; correct it"


def test_control_characters_of_a_file_are_shown_and_do_not_reach_the_terminal():
    name = "clay\x1b[2J\x07\x9b0m\u202e.tif"
    text = str(RasterError(name, found="a\tb\x00", expected="90\xa0% \xb1 \xb5g, \u571f", way_out="rename it"))
    assert text == ("clay\\x1b[2J\\x07\\x9b0m\\u202e.tif: found a b\\x00; expected 90 % \xb1 \xb5g, \u571f; rename it")
