"""Numbers and dates as Germans and English readers write them.

What belongs here: turning one value into text. What does not: which words stand around it.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from kkz_eval.report.meta import Language

MINUS = "\u2212"
THIN = "\u202f"  # narrow no-break space
NBSP = "\u00a0"
SUPPRESSED = "·"
NOT_ESTIMABLE = "–"

_MONTHS_EN = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
              "November", "December")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Locale:
    """Formats of one language."""

    language: Language

    @property
    def decimal(self) -> str:
        """Decimal mark."""
        return "," if self.language == "de" else "."

    @property
    def thousands(self) -> str:
        """Mark between groups of three digits."""
        return "." if self.language == "de" else ","

    def number(self, value: float, decimals: int = 1, *, signed: bool = False) -> str:
        """`-1234.5` becomes `−1.234,5` or `−1,234.5`. What rounds to nothing is shown as zero without a sign."""
        plain = f"{abs(value):,.{decimals}f}"
        digits = plain.translate({ord(","): self.thousands, ord("."): self.decimal})
        if not any(mark in "123456789" for mark in plain):
            return digits
        return (MINUS if value < 0 else "+" if signed else "") + digits

    def count(self, value: float) -> str:
        """A whole number with its thousands apart."""
        return self.number(round(value), 0)

    def year(self, value: float) -> str:
        """A year; never with a thousands mark."""
        return f"{round(value)}"

    def percent(self, share: float, decimals: int = 1) -> str:
        """A share of one as per cent; German puts a narrow space before the sign."""
        return self.number(share * 100, decimals) + (f"{THIN}%" if self.language == "de" else "%")

    def p_value(self, value: float) -> str:
        """A p-value with three decimals, `< 0,001` below."""
        if value < 0.001:
            return f"<{NBSP}{self.number(0.001, 3)}"
        return self.number(value, 3)

    def interval(self, low: float, high: float, decimals: int = 1, *, signed: bool = True) -> str:
        """Two bounds joined by the word of the language (a dash would be read as a minus)."""
        word = "bis" if self.language == "de" else "to"
        return f"{self.number(low, decimals, signed=signed)} {word} {self.number(high, decimals, signed=signed)}"

    def date(self, value: date) -> str:
        """`24.11.2026` or `24 November 2026`."""
        if self.language == "de":
            return f"{value.day:02d}.{value.month:02d}.{value.year}"
        return f"{value.day} {_MONTHS_EN[value.month - 1]} {value.year}"

    def join(self, words: list[str] | tuple[str, ...]) -> str:
        """`a, b und c`."""
        if len(words) <= 1:
            return "".join(words)
        last = " und " if self.language == "de" else " and "
        return ", ".join(words[:-1]) + last + words[-1]

    def vega(self) -> dict[str, Any]:
        """The same rules for the axes of charts (d3-format locale)."""
        return {
            "number": {
                "decimal": self.decimal,
                "thousands": self.thousands,
                "grouping": [3],
                "currency": ["", ""],
                "minus": MINUS,
            }
        }


LOCALES: dict[Language, Locale] = {"de": Locale("de"), "en": Locale("en")}
