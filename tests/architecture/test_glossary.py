"""The glossary holds: every place that it names exists, and no identifier uses a retired word."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/explanation/glossary.md").read_text()
TERMS, _, NOT_USED = TEXT.partition("\n## Not used\n")
SOURCES = sorted([*ROOT.glob("runtime/**/*.py"), *ROOT.glob("operator/**/*.py")])
ROW = re.compile(r"^\| (?!-)(.+?) \| (.+?) \|(?: (.+?) \|)?$", re.MULTILINE)
PLACE = re.compile(r"`([\w-]+/[\w./-]+)`(?: \(([^)]*)\))?")
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

MUST_COVER = """
    aggregate, command, event, envelope, pipeline, idempotency, rehydration, snapshot, head cache,
    group commit, append connection, connection cache, tail, page reader, subscription,
    handler kind, lease, epoch, fencing, checkpoint, retry, parking, projection, read model,
    upcasting, sealing, server-sent events, lag, rollout, drift repair, status writing,
    leader election
"""


def rows(part: str) -> list[tuple[str, str, str]]:
    """The rows of a part's tables, without their headings."""
    return [row for row in ROW.findall(part) if row[0] not in {"term", "not used"}]


def places() -> list[tuple[str, list[str]]]:
    """Each path that the glossary names, with the names to be found there."""
    return [
        (path, re.findall(r"`(\w+)`", names))
        for _, _, where in rows(TERMS)
        for path, names in PLACE.findall(where)
    ]


def retired() -> list[str]:
    return [word for words, _, _ in rows(NOT_USED) for word in words.split(", ")]


def identifiers() -> Iterator[tuple[str, str]]:
    """Every identifier of the sources, with the path of its file."""
    for path in SOURCES:
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
            if token.type == tokenize.NAME:
                yield path.relative_to(ROOT).as_posix(), token.string


def is_retired(identifier: str, word: str) -> bool:
    if word[0].isupper():
        return identifier == word
    parts = [part.lower() for part in WORD.findall(identifier)]
    return word in parts or f"{word}s" in parts


def test_the_terms_are_covered() -> None:
    terms = {term for row in rows(TERMS) for term in row[0].split(", ")}
    assert {term.strip() for term in MUST_COVER.split(",")} - terms == set()


def test_every_term_has_a_meaning_and_a_place() -> None:
    assert len(rows(TERMS)) > 30
    for term, meaning, where in rows(TERMS):
        assert len(meaning) > 20, term
        assert PLACE.search(where), term


def test_no_term_is_defined_twice() -> None:
    terms = [term for row in rows(TERMS) for term in row[0].split(", ")]
    assert sorted(set(terms)) == sorted(terms)


@pytest.mark.parametrize(("path", "names"), places(), ids=str)
def test_places_exist(path: str, names: list[str]) -> None:
    assert (ROOT / path).exists()
    text = (ROOT / path).read_text() if (ROOT / path).is_file() else ""
    defined = re.findall(r"^ *(?:class |def |async def )(\w+)|^(\w+)", text, re.MULTILINE)
    assert set(names) <= {name for pair in defined for name in pair}


def test_retired_words_are_not_used() -> None:
    words = retired()
    assert len(words) > 10
    found = {
        f"{path}: {identifier}"
        for path, identifier in identifiers()
        for word in words
        if is_retired(identifier, word)
    }
    assert sorted(found) == []


def test_words_are_found_in_identifiers() -> None:
    assert is_retired("_handing", "handing")
    assert is_retired("KnowledgeCache", "knowledge")
    assert is_retired("LANES", "lane")
    assert is_retired("World", "World")
    assert not is_retired("planet", "lane")
    assert not is_retired("HelloWorld", "World")
