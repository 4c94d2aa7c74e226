-- One row per outcome: other measures of chance for the main result, taken out where it rests on few children.
--
-- key: outcome
--
-- outcome      id        outcome of the plan
-- comparison   text      comparison of the plan
-- estimator    text      estimator
-- family       text      outcomes that are corrected together: those of one role
-- n_outcomes   number    outcomes of the family
-- estimate     estimate  overall effect in the outcome's own unit
-- p_value      number    two-sided p-value with jackknife errors, one look
-- p_wild       number    p-value of the wild cluster bootstrap with no effect imposed
-- p_placebo    number    share of placebo reassignments with at least as large a t
-- p_family     number    Romano–Wolf p-value: corrected for the outcomes of the family
-- n_draws      number    bootstrap draws and reassignments asked for
-- n_children   count     children behind the row
-- status       text      estimated, not estimable, or suppressed
-- note         note      what could not be calculated, and why
-- plan_sha256  id        hash of the plan
WITH checked AS (
    SELECT * FROM estimates.cross_check
),

judged AS (
    SELECT
        checked.*,
        COALESCE(checked.n BETWEEN 1 AND plan.study.threshold - 1, FALSE) AS is_small
    FROM checked
    CROSS JOIN plan.study
)

SELECT
    outcome,
    comparison,
    estimator,
    family,
    n_outcomes,
    CASE WHEN NOT is_small THEN estimate END AS estimate,
    CASE WHEN NOT is_small THEN p_value END AS p_value,
    CASE WHEN NOT is_small THEN p_wild END AS p_wild,
    CASE WHEN NOT is_small THEN p_placebo END AS p_placebo,
    CASE WHEN NOT is_small THEN p_family END AS p_family,
    n_draws,
    CASE WHEN NOT is_small THEN n END AS n_children,
    CASE WHEN is_small THEN 'suppressed' ELSE status END AS status,
    CASE WHEN is_small THEN 'fewer children than the threshold' ELSE note END AS note,
    plan_sha256
FROM judged
