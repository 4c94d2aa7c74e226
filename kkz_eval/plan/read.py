"""A TOML plan becomes a `Plan`; two plans become a list of deviations.

What belongs here: reading, wording of refusals. What does not: the fields themselves.
"""

import hashlib
import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from kkz_eval.errors import PlanError
from kkz_eval.plan.model import Plan

SHIPPED = ("demo", "official")


def read_plan(path: Path) -> Plan:
    """Read and check a plan file. Raises `PlanError` with the file, the place in it and the allowed values."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PlanError(f"{path}: there is no plan here; create a study with `kkz-eval init`.") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise PlanError(f"{path}: the plan cannot be read ({type(fault).__name__}); save it as UTF-8 text.") from None
    return parse_plan(text, str(path))


def parse_plan(text: str, where: str) -> Plan:
    """Check the text of a plan; `where` names it in messages."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise PlanError(f"{where}: not valid TOML ({fault}); mend that place.") from None
    try:
        return Plan.model_validate(content)
    except ValidationError as fault:
        # An unknown key comes first: it is often the misspelt form of one that is then reported missing.
        faults = sorted(fault.errors(), key=lambda error: error["type"] != "extra_forbidden")
        first, more = faults[0], fault.error_count() - 1
        rest = f" ({more} more fault{'s' if more > 1 else ''} after this one.)" if more else ""
        raise PlanError(f"{where}: {_sentence(first)}{rest}") from None


def shipped_plan(name: str) -> str:
    """The text of a plan that comes with the project."""
    if name not in SHIPPED:
        raise PlanError(f"there is no shipped plan '{name}'; choose one of: {', '.join(SHIPPED)}.")
    return resources.files("kkz_eval.plan").joinpath("plans", f"{name}.toml").read_text(encoding="utf-8")


def plan_to_json(plan: Plan) -> str:
    """The plan as canonical JSON: the same decisions give the same text, whatever the layout of the TOML."""
    return json.dumps(plan.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def plan_from_json(text: str) -> Plan:
    """The inverse of `plan_to_json`."""
    return Plan.model_validate_json(text)


def plan_sha256(plan: Plan) -> str:
    """The hash that stands on every released table."""
    return hashlib.sha256(plan_to_json(plan).encode()).hexdigest()


def deviations(registered: Plan, current: Plan) -> list[str]:
    """Each decision that differs from the first released plan, as `place: before → after`."""
    before, after = _flat(registered.model_dump(mode="json")), _flat(current.model_dump(mode="json"))
    places = sorted(set(before) | set(after))
    return [
        f"{place}: {before.get(place, '—')} → {after.get(place, '—')}"
        for place in places
        if before.get(place) != after.get(place)
    ]


def _flat(content: object, place: str = "") -> dict[str, str]:
    """Nested content as `place → value`; lists of named records are addressed by their name."""
    if isinstance(content, dict):
        parts = {str(key): value for key, value in content.items()}
    elif isinstance(content, list):
        parts = {_label(entry, index): entry for index, entry in enumerate(content)}
    else:
        return {place: str(content)}
    flat: dict[str, str] = {}
    for key, value in parts.items():
        flat |= _flat(value, f"{place}.{key}" if place else key)
    return flat


def _label(entry: object, index: int) -> str:
    if isinstance(entry, dict):
        for key in ("name", "unit", "file"):
            if key in entry:
                return str(entry[key])
        if {"source", "period"} <= entry.keys():
            return f"{entry['source']}/{entry['period']}"
    return str(index)


def _sentence(error: Any) -> str:
    """One fault found by pydantic, as a sentence that names the place and the way out."""
    place = ".".join(str(part) for part in error["loc"]) or "plan"
    if error["type"] == "extra_forbidden":
        allowed = ", ".join(sorted(_fields_at(error["loc"][:-1])))
        return f"the key '{place}' is not known; allowed here: {allowed}."
    if error["type"] == "missing":
        return f"the key '{place}' is missing; add it."
    if error["type"] == "value_error":
        return f"{error['ctx']['error']}."
    return f"'{place}' is not allowed: {error['msg'].lower()}."


def _fields_at(place: tuple[str | int, ...]) -> set[str]:
    """Names of the fields of the record at a place of the plan."""
    record: type[BaseModel] = Plan
    for part in place:
        if isinstance(part, int):
            continue
        annotation: Any = record.model_fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        record = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return set(record.model_fields)
