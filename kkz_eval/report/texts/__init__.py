"""All words of the report, three files per language.

What belongs here: wording and its lookup. What does not: numbers, rules and layout.
"""

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from kkz_eval.errors import KkzError
from kkz_eval.report.meta import Language


class Texts:
    """The words of one language; `texts("section.key", n=3)` fills the braces of an entry."""

    def __init__(self, language: Language, words: dict[str, str]) -> None:
        self.language = language
        self._words = words

    def __call__(self, key: str, **values: Any) -> str:
        """The entry with its braces filled; an unknown key is a fault of the program, not of the user."""
        if key not in self._words:
            raise KkzError(f"The words of the report ({self.language}) have no entry {key}: add it to both languages.")
        return self._words[key].format(**values) if values else self._words[key]

    def has(self, key: str) -> bool:
        """Whether there is such an entry."""
        return key in self._words

    def name(self, group: str, word: str) -> str:
        """The reader's name of a fixed word (`waves`, sources, units); the word itself where none is listed."""
        return self._words.get(f"{group}.{word}", word)

    def section(self, name: str) -> list[tuple[str, str]]:
        """All entries below a heading, in the order of the file."""
        start = f"{name}."
        return [(key.removeprefix(start), words) for key, words in self._words.items() if key.startswith(start)]

    def keys(self) -> set[str]:
        """Every key."""
        return set(self._words)


def _flat(tree: dict[str, Any], above: str = "") -> dict[str, str]:
    words: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            words |= _flat(value, f"{above}{key}.")
        else:
            words[above + key] = str(value).strip()
    return words


@cache
def load(language: Language) -> Texts:
    """The words of one language."""
    folder = resources.files(__package__)
    words: dict[str, str] = {}
    for name in (language, f"{language}_calculations", f"{language}_front"):
        words |= _flat(tomllib.loads(folder.joinpath(f"{name}.toml").read_text(encoding="utf-8")))
    return Texts(language, words)
