"""The early signal from children to rows: planted links and effects are found, and what the index misses is told."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kkz_eval.cells.known import known_outcomes
from kkz_eval.evaluation.early_signal import MULTIPLES, NOTHING_AHEAD, early_signal_rows
from kkz_eval.evaluation.linked_cells import LinkedCells
from kkz_eval.evaluation.run import specification_of
from kkz_eval.evaluation.signal_columns import EARLY_SIGNAL_COLUMNS
from kkz_eval.evaluation.specification import fit_specification
from kkz_eval.evaluation.study_cells import StudyCells
from kkz_eval.horizon.surrogate_unlinked import ECOLOGICAL
from kkz_eval.plan import parse_plan, shipped_plan
from kkz_eval.plan.model import Plan
from kkz_eval.warehouse import build_table, in_memory, read_catalog, write_plan

CATALOG = read_catalog()
LATER, LANGUAGE, SKILLS = "grade_3_low", "german_insufficient", "sopess_flagged"
BETA = {LANGUAGE: 0.25, SKILLS: 0.5}
PERIODS, LAST_DUE, COHORTS = range(2010, 2020), 2017, (2013, 2015, None)
N_UNITS, N_CHILDREN = 36, 8
Study = tuple[duckdb.DuckDBPyConnection, Plan]


def gain(cohort: int | None, period: int) -> float:
    """The planted change of the skills: it grows by 0.1 a year; language changes by a quarter of it."""
    return 0.0 if cohort is None or period < cohort else -0.1 * (period - cohort + 1)


def children(
    seed: int = 1, *, direct: float = 0.0, shock: float = 0.2, noise: float = 0.0, same_children: bool = True
) -> pd.DataFrame:
    """Outcome = place + year + BETA'findings + direct effect + noise of the place and year, in four decimals."""
    rng = np.random.default_rng(seed)
    rows = []
    for u in range(N_UNITS):
        cohort, level = COHORTS[u % 3], round(float(rng.normal(0, 0.3)), 2)
        for period in PERIODS:
            mean = np.round(rng.normal(0, shock, 2) + level, 4)
            added = np.array([0.25, 1.0]) * gain(cohort, period)
            own = direct if cohort is not None and period >= cohort else 0.0
            jump = round(float(noise * rng.normal()), 4) + own + 0.05 * (period - 2010)
            at_exam, at_school = (np.round(mean + added + rng.normal(0, 0.5, (N_CHILDREN, 2)), 2) for _ in range(2))
            if same_children:
                at_school = at_exam
            value = np.round(level + jump + at_school @ np.array(list(BETA.values())), 4)
            for i in range(N_CHILDREN):
                findings = [float(finding) for finding in at_exam[i]]
                rows.append((f"{u} {period} {i}", f"{5111000 + u:08d}", cohort, period, *findings, float(value[i])))
    return pd.DataFrame(rows, columns=["pseudonym", "ags", "cohort", "period", LANGUAGE, SKILLS, LATER])


def study(rows: pd.DataFrame, *, last_due: int = LAST_DUE, is_linked: bool = True) -> Study:
    """A warehouse with these children; the outcome at school is known for entry years up to `last_due`."""
    connection = in_memory()
    for schema in ("plan", "reference", "staging", "cells", "ledger"):
        connection.execute(f"CREATE SCHEMA {schema}")
    plan = parse_plan(shipped_plan("demo"), "demo")
    changed = {
        "outcomes": tuple(plan.outcome(name) for name in (LANGUAGE, SKILLS, LATER)),
        "estimation": plan.estimation.model_copy(update={"estimators": ("callaway_santanna",), "draws": 199}),
    }
    plan = plan.model_copy(update=changed)
    write_plan(connection, plan)
    known = known_outcomes(CATALOG)
    for table, names in (("school_entry_exam", known["school_entry_exam"]), ("education", known["education"])):
        columns = ", ".join(f"{name} DECIMAL(9, 4)" for name in names)
        connection.execute(f"CREATE TABLE staging.{table} (pseudonym VARCHAR, ags VARCHAR, period INTEGER, {columns})")
    due = rows[rows["period"] <= last_due]
    if not is_linked:
        due = due.assign(pseudonym=due["pseudonym"] + " at school")
    insert(connection, "staging.school_entry_exam", rows[["pseudonym", "ags", "period", LANGUAGE, SKILLS]])
    insert(connection, "staging.education", due[["pseudonym", "ags", "period", LATER]])
    places = rows[["ags"]].drop_duplicates().assign(kreis=lambda f: f["ags"].str[-3:].astype(int).floordiv(2).map(str))
    make(connection, "reference.gemeinde", places)
    make(connection, "cells.panel", pd.concat(
        cells(part, name) for name, part in ((LANGUAGE, rows), (SKILLS, rows), (LATER, due))
    ))  # fmt: skip
    units = rows.drop_duplicates("ags").rename(columns={"ags": "unit"})[["unit", "cohort"]]
    fixed = units.assign(region="rheinland", wave=2012, weight=100.0, cluster=units["unit"].str[-3:].astype(int) // 3)
    fixed["cohort"] = fixed["cohort"].astype("Int64")
    fixed["cluster"] = fixed["cluster"].map(str)
    make(connection, "cells.adoption", pd.concat(fixed.assign(outcome=name) for name in (LANGUAGE, SKILLS, LATER)))
    make(
        connection, "cells.covariate", pd.DataFrame({"covariate": ["x"], "unit": ["u"], "period": [1], "value": [0.0]})
    )
    exposure = {"outcome": LATER, "wave": 2012, "period": 2013, "is_fully_exposed": False, "years_under_programme": 1.0}
    make(connection, "reference.exposure", pd.DataFrame([exposure]))
    build_table(connection, CATALOG["cells.linked_moment"])
    return connection, plan


def cells(rows: pd.DataFrame, outcome: str) -> pd.DataFrame:
    means = rows.assign(square=rows[outcome] ** 2).groupby(["ags", "period"])
    sums = means.agg(n=(outcome, "size"), total=(outcome, "sum"), total_of_squares=("square", "sum")).reset_index()
    named = sums.rename(columns={"ags": "unit"}).assign(outcome=outcome, is_used=True)
    return named.assign(value=named["total"] / named["n"])


def make(connection: duckdb.DuckDBPyConnection, name: str, frame: pd.DataFrame) -> None:
    connection.register("frame", frame)
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")


def insert(connection: duckdb.DuckDBPyConnection, name: str, frame: pd.DataFrame) -> None:
    connection.register("frame", frame)
    connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM frame")


def signal(found: Study) -> pd.DataFrame:
    return pd.DataFrame(list(early_signal_rows(*found)), columns=[column.name for column, _ in EARLY_SIGNAL_COLUMNS])


def pick(rows: pd.DataFrame, span: str, kind: str, cohort: int | None = None) -> pd.Series:
    own = rows[(rows["span"] == span) & (rows["kind"] == kind)]
    own = own[own["cohort"].isna()] if cohort is None else own[own["cohort"] == cohort]
    assert len(own) == 1
    return own.iloc[0]


@pytest.fixture(scope="module")
def exact() -> pd.DataFrame:
    return signal(study(children(direct=0.125)))


def test_the_miss_is_the_direct_effect_and_nothing_before_adoption(exact: pd.DataFrame) -> None:
    for cohort in (None, 2013, 2015):
        miss = pick(exact, "known", "miss", cohort)
        assert miss["estimate"] == pytest.approx(0.125, abs=1e-9)
        assert (miss["period_first"], miss["period_last"]) == (cohort or 2013, LAST_DUE)
        assert pick(exact, "before", "miss", cohort)["estimate"] == pytest.approx(0.0, abs=1e-9)
        observed, index = (pick(exact, "known", kind, cohort) for kind in ("observed", "index"))
        assert observed["estimate"] == pytest.approx(index["estimate"] + 0.125, abs=1e-9)


def test_the_index_ahead_is_what_will_be_observed_but_for_the_direct_effect(exact: pd.DataFrame) -> None:
    """The same children, with school years delivered to the end."""
    connection, plan = study(children(direct=0.125), last_due=PERIODS[-1])
    panel = StudyCells(connection).compared(LATER, plan.comparisons[0]).panel
    fit = fit_specification(panel, specification_of(plan, plan.comparisons[0], "callaway_santanna"))
    for cohort in (2013, 2015):
        later = np.mean(
            [fit.estimate[fit.index(aggregation="group_time", cohort=cohort, period=t)] for t in (2018, 2019)]
        )
        index = pick(exact, "ahead", "index", cohort)
        assert index["estimate"] == pytest.approx(later - 0.125, abs=1e-9)
        assert (index["period_first"], index["period_last"]) == (2018, 2019)
        assert index["n"] == 2 * N_UNITS // 3 * N_CHILDREN


def test_the_bound_allows_for_multiples_of_the_largest_miss(exact: pd.DataFrame) -> None:
    index = pick(exact, "ahead", "index", 2013)
    half = stats.t.ppf(0.975, index["df"]) * index["std_error"]
    bounds = exact[(exact["kind"] == "bound") & (exact["cohort"] == 2013)].set_index("multiple")
    assert sorted(bounds.index) == sorted(MULTIPLES)
    for multiple, bound in bounds.iterrows():
        assert bound["largest_miss"] == pytest.approx(0.125)
        assert bound["ci_high"] == pytest.approx(index["estimate"] + float(str(multiple)) * 0.125 + half)
        assert bound["ci_low"] == pytest.approx(index["estimate"] - float(str(multiple)) * 0.125 - half)
        assert bound["breakdown"] == pytest.approx((abs(index["estimate"]) - half) / 0.125)


def test_planted_effects_lie_within_three_standard_errors() -> None:
    rows = signal(study(children(3, shock=0.05, noise=0.05)))
    assert (rows["status"] == "estimated").all()
    for cohort in (2013, 2015):
        planted = np.mean([gain(cohort, t) for t in (2018, 2019)]) * (BETA[LANGUAGE] / 4 + BETA[SKILLS])
        index = pick(rows, "ahead", "index", cohort)
        assert abs(index["estimate"] - planted) < 3 * index["std_error"]
        miss = pick(rows, "known", "miss", cohort)
        assert abs(miss["estimate"]) < 3 * miss["std_error"]
    cautious = rows[(rows["kind"] == "cautious_bound") & (rows["multiple"] == 1)].iloc[0]
    misses = [pick(rows, "known", "miss", cohort) for cohort in (2013, 2015)]
    assert cautious["largest_miss"] == pytest.approx(max(max(-m["ci_low"], m["ci_high"]) for m in misses))


def test_without_a_common_pseudonym_means_of_places_give_the_link_and_say_so() -> None:
    connection, plan = study(children(4, shock=0.4, same_children=False), is_linked=False)
    link = LinkedCells(connection).link(plan.outcome(LATER), plan.comparisons[0])
    assert link.n_linked is None
    np.testing.assert_allclose(link.link.slope, [0.25, 0.5], atol=0.1)
    index = pick(signal((connection, plan)), "ahead", "index")
    assert index["note"].startswith(ECOLOGICAL)
    assert "reliability" in index["note"]
    assert pd.isna(index["n_linked"])


def test_means_that_are_mostly_sampling_error_are_refused_with_the_reason() -> None:
    rows = signal(study(children(5, shock=0.0, same_children=False), is_linked=False))
    assert rows["status"].tolist() == ["not estimable"]
    assert "mostly sampling error" in rows["note"].iloc[0]


@pytest.mark.parametrize(
    ("last_due", "span", "said"),
    [(PERIODS[-1], "ahead", NOTHING_AHEAD), (2012, "known", "measured after adoption")],
)
def test_what_cannot_be_said_is_a_row_with_the_reason(last_due: int, span: str, said: str) -> None:
    rows = signal(study(children(6), last_due=last_due))
    missing = rows[(rows["span"] == span) & (rows["status"] == "not estimable")]
    assert said in missing["note"].iloc[0]


def test_an_index_without_a_past_has_no_bound() -> None:
    rows = signal(study(children(7), last_due=2012))
    assert pick(rows, "ahead", "index", 2013)["status"] == "estimated"
    bound = pick(rows, "ahead", "bound")
    assert bound["status"] == "not estimable"
    assert "no history" in bound["note"]


def test_a_miss_on_few_children_is_not_told_by_a_bound() -> None:
    connection, plan = study(children(8, direct=0.125, noise=0.05))
    strict = plan.disclosure.model_copy(update={"threshold": 10_000})
    rows = signal((connection, plan.model_copy(update={"disclosure": strict})))
    assert (rows[rows["kind"].isin(["bound", "cautious_bound"])]["status"] == "not estimable").all()


def test_a_plan_without_surrogates_gives_no_rows() -> None:
    connection, plan = study(children(9))
    plain = tuple(outcome.model_copy(update={"surrogates": ()}) for outcome in plan.outcomes)
    assert not list(early_signal_rows(connection, plan.model_copy(update={"outcomes": plain})))
