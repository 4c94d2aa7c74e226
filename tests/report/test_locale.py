"""Numbers and dates of both languages."""

from datetime import date

import pytest

from kkz_eval.report.locale import LOCALES, MINUS, THIN

DE, EN = LOCALES["de"], LOCALES["en"]


def test_german_and_english_numbers() -> None:
    assert DE.number(-1234567.891, 2) == f"{MINUS}1.234.567,89"
    assert EN.number(-1234567.891, 2) == f"{MINUS}1,234,567.89"
    assert DE.count(12345) == "12.345"
    assert EN.count(12345) == "12,345"


def test_sign_only_where_something_is_left_after_rounding() -> None:
    assert DE.number(-0.04, 1) == "0,0"
    assert DE.number(0.04, 1, signed=True) == "0,0"
    assert DE.number(0.05001, 1, signed=True) == "+0,1"


def test_per_cent_with_narrow_space_in_german_only() -> None:
    assert DE.percent(0.1234) == f"12,3{THIN}%"
    assert EN.percent(0.1234) == "12.3%"


def test_years_have_no_thousands_mark() -> None:
    assert DE.year(2025.0) == EN.year(2025) == "2025"


@pytest.mark.parametrize(("language", "written"), [("de", "24.11.2026"), ("en", "24 November 2026")])
def test_dates(language: str, written: str) -> None:
    assert LOCALES[language].date(date(2026, 11, 24)) == written  # type: ignore[index]


def test_small_p_values_are_bounded_not_zero() -> None:
    assert DE.p_value(0.0000001).endswith("0,001")
    assert DE.p_value(0.0000001).startswith("<")
    assert EN.p_value(0.0414) == "0.041"


def test_interval_joins_with_a_word_because_a_dash_reads_as_minus() -> None:
    assert DE.interval(-3.14, 0.4) == f"{MINUS}3,1 bis +0,4"
    assert EN.interval(-3.14, 0.4) == f"{MINUS}3.1 to +0.4"


def test_lists_in_words() -> None:
    assert DE.join(["a", "b", "c"]) == "a, b und c"
    assert EN.join(["a"]) == "a"
    assert EN.join([]) == ""
