"""The texts of geosoil are plain English: words and constructions that were replaced do not come back."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

_PART = r"(?:block|band|task|file|row|line|worker|thread|pixel|fold|model|sample|scene|window|target|layer|name|verb)"
_BETWEEN = r"(?! (?:of|in|is|for|to|with|from|at|has|that|and|or|which|by|as|than|on|but|per|gives|when) )"

# Each pattern with the plain wording to use instead; a pattern is searched line by line.
WORDS = {
    r"\bmend(s|ed|ing)?\b": "fix, correct",
    r"\b(un)?told\b": "reported, given, distinguished, named",
    r"\b(is|are|was|were|be|been) said\b": "is reported, is stated",
    r"\bsays? so\b": "reports it",
    r"\b(go|goes|went|gone|going) on\b": "resume, continue",
    r"\bWhat (errs|leaves)\b": "name the subject",
    r"\b(stands?|stood|standing)\b": "is, are, represents, applies, remains",
    r"\bspelt\b": "written in full, expanded",
    r"\bwho(m)?ever\b": "name the subject",
    r"\bthere where\b": "where",
    r"\b(begin|begins|began|begun|beginning) with\b": "start with",
    r"\b(anew|afresh)\b": "again, from the start",
    r"\bfaults? of ours\b": "a bug in geosoil",
    r"\bmakes? (no )?sense\b": "valid, invalid",
    r"\bno (TOML|JSON|raster|Parquet|UTF-8|table (\(|that)|whole number|text \()": "not valid TOML, not a raster",
    r"(?<!\bthere )\b(is|are|was|were) no (?!longer|more|one|data|nodata)": "is not a",
    r"found=f?\"no column": 'problem=\'column "x" is missing (columns: a, b)\'',
    r"\bdoubled\b": "duplicate",
    r"\blanes?\b": "worker, executor",
    r"\bwork of hours\b": "a long computation",
    r"\bin whatever\b": "in any",
    r"\b(without a word|for ever|by turns|of one mind|tear words apart|the most to take)\b": "an ordinary phrase",
    r"\bhand(s|ed)? on\b": "pass",
    r"\bof one name\b": "with the same name",
    rf"\bone(?:{_BETWEEN} [\w`-]+){{0,3}} a {_PART}\b": "one ... per ...",
    rf"\b(blocks?|threads?|rows?|lines?|sentences?|clones?|bytes|statistics) an? {_PART}\b": "one ... per ...",
    r"; default (?!:)": "(default: ...)",
    r"help=\s*\"Of\b": "start with a noun",
    r"(^\s*|\. )[a-z_]+(, [a-z_]+)*: [Oo]f (?!shape)": "start a parameter's description with a noun",
    r"\"\"\"(Say|Tell)s?\b": "Return, Report, Check",
    r"\": \"Tell\b": "Report, Show",
}  # fmt: skip

# Names of variables and parameters that name nothing.
NAMES = {"few", "own", "one", "said", "this", "wanted", "there", "every", "told", "asked"}


def _place(file: Path) -> str:
    parts = file.relative_to(ROOT).parts
    if parts[0] == "tests":
        return "/".join(parts[: min(2, len(parts) - 1)])
    return "/".join(parts[:2] if parts[0] == "geosoil" else parts[:1])


def _files() -> list[Path]:
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for folder in ("geosoil", "cli", "tests", "benchmarks"):
        files += [file for suffix in ("py", "toml") for file in (ROOT / folder).rglob(f"*.{suffix}")]
    # The legacy recipes are input of a test, in the words of their time.
    return [file for file in files if file != Path(__file__) and "legacy_recipes" not in file.parts]


PLACES = sorted({_place(file) for file in _files()})


@pytest.mark.parametrize("place", PLACES)
def test_texts_are_plain_english(place):
    hits = []
    for file in (file for file in _files() if _place(file) == place):
        for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
            hits += [
                f"{file.relative_to(ROOT)}:{number}: {line.strip()!r} has {found.group()!r}; better: {plain}"
                for pattern, plain in WORDS.items()
                if (found := re.search(pattern, line))
            ]
    assert not hits, "\n".join(hits)


@pytest.mark.parametrize("place", [place for place in PLACES if place.startswith(("geosoil", "cli"))])
def test_variables_are_named_by_nouns(place):
    hits = []
    for file in (file for file in _files() if _place(file) == place and file.suffix == ".py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            name = node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else None
            name = node.arg if isinstance(node, ast.arg) else name
            if name in NAMES:
                hits.append(f"{file.relative_to(ROOT)}:{node.lineno}: {name}")
    assert not hits, "\n".join(hits)


@pytest.mark.parametrize(
    "text",
    [
        "mend the header",
        "What was done is told to the user.",
        "it goes on behind the finished blocks",
        "one thread a fold",
        "a line a scene",
        "what stands in for the pixel",
        'found="no TOML"',
        "a folder that is no model",
        '    """Say which cells hold something."""',
        "    units: of the values",
        'help="Rows to choose; default 100."',
    ],
)
def test_the_patterns_find_what_was_replaced(text):
    assert any(re.search(pattern, text) for pattern in WORDS)


@pytest.mark.parametrize(
    "text",
    [
        "correct the header",
        "there is no such file",
        "the values are no longer needed",
        "one of a band's classes",
        "unit : str, default: 'nm'",
        "the standard deviation",
        'help="Rows to choose (default: 100)."',
    ],
)
def test_the_patterns_leave_plain_text_alone(text):
    assert not any(re.search(pattern, text) for pattern in WORDS)
