"""The words: complete in both languages, filled the same way, and never more certain than the data."""

import string

import pytest
from released_tables import FORBIDDEN

from kkz_eval.errors import KkzError
from kkz_eval.report.meta import LANGUAGES
from kkz_eval.report.results import Verdict
from kkz_eval.report.texts import load


def _fields(entry: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(entry) if name}


def test_both_languages_have_the_same_keys() -> None:
    assert load("de").keys() == load("en").keys()


def test_both_languages_fill_the_same_braces() -> None:
    german, english = load("de"), load("en")
    keys = sorted(german.keys())
    assert [_fields(german(key)) for key in keys] == [_fields(english(key)) for key in keys]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_claims_more_than_data_can(language: str) -> None:
    words = load(language)  # type: ignore[arg-type]
    assert [key for key in sorted(words.keys()) if FORBIDDEN.search(words(key))] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_verdict_has_word_symbol_and_sentence(language: str) -> None:
    words = load(language)  # type: ignore[arg-type]
    for verdict in Verdict:
        for group in ("verdict", "verdict_symbol", "sentence"):
            assert words(f"{group}.{verdict}")


def test_undecided_is_called_by_its_name() -> None:
    assert load("de")("verdict.undecided") == "unentschieden"
    assert load("en")("verdict.undecided") == "undecided"


def test_unknown_key_is_named() -> None:
    with pytest.raises(KkzError, match=r"no\.such"):
        load("de")("no.such")
