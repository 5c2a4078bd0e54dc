"""docs/vocabulary.md: every path exists, and every term stands in the files named beside it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture.sources import PACKAGE, ROOT

VOCABULARY = ROOT / "docs" / "vocabulary.md"
FEWEST_ROWS = 60


class VocabularyRow(NamedTuple):
    """One row of a table. The standard term, its other names, its source and its files."""

    term: str
    also: str
    source: str
    paths: tuple[str, ...]


def read_rows() -> list[VocabularyRow]:
    text = VOCABULARY.read_text(encoding="utf-8")
    tables = [
        table.split("\n\n")[0].splitlines()[1:] for table in text.split("| term | also called | source | where |\n")[1:]
    ]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for table in tables for line in table]
    return [
        VocabularyRow(term, also, source, tuple(re.findall(r"`([^`]+)`", where))) for term, also, source, where in cells
    ]


ROWS = read_rows()
NAMED = [pytest.param(row, path, id=f"{row.term}-{path}") for row in ROWS for path in row.paths]


def find_file(path: str) -> Path:
    """The file of a path in the table. It begins in the package or at the root."""
    return ROOT / path if path.split("/")[0] in {"tests", "docs", "policies"} else PACKAGE / path


def words_of(text: str) -> str:
    """The text in small letters, without line breaks and comment marks."""
    return " ".join(re.sub(r"[\n#\"]+", " ", text.lower()).split())


def test_vocabulary_has_enough_rows_and_each_names_a_source_and_a_file():
    assert len(ROWS) >= FEWEST_ROWS
    assert [row.term for row in ROWS if not (row.also and row.source and row.paths)] == []


def test_vocabulary_term_is_listed_once():
    assert [term for term, times in Counter(row.term.lower() for row in ROWS).items() if times > 1] == []


@pytest.mark.parametrize(("row", "path"), NAMED)
def test_vocabulary_term_stands_in_the_file_named(row, path):
    assert find_file(path).is_file(), f"{path} does not exist: correct docs/vocabulary.md"
    text = words_of(find_file(path).read_text(encoding="utf-8"))
    assert row.term.lower() in text, f"{path} does not say {row.term!r}: say it in its docstring, or name another file"
