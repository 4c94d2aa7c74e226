-- One row per primary outcome, threat and assumption: what would change the conclusion, taken out where few children are behind it.
--
-- key: outcome, threat, assumption
--
-- outcome       id        primary outcome of the plan
-- threat        text      what is assumed or changed; main is the result as planned
-- assumption    text      which assumption or choice of this kind
-- position      number    place of the row in the table of its outcome; the main result is 1
-- value         number    number of the assumption, as its note says
-- estimate      estimate  effect under the assumption, or what its note says
-- std_error     estimate  its standard error
-- df            number    degrees of freedom
-- ci_low        estimate  lower end of the interval; empty also where it is open
-- ci_high       estimate  upper end of the interval; empty also where it is open
-- breakdown     number    value of the assumption from which the interval holds zero
-- changes_word  flag      the interval lies otherwise to zero than that of the main result
-- n_children    count     children in the treated cells behind the row; empty where unknown
-- n_units       number    units compared
-- n_clusters    number    clusters of the errors
-- status        text      estimated, not estimable, or suppressed
-- note          note      reason, or what a reader of the row must know
-- plan_sha256   id        hash of the plan
--
-- A row that rests on nearly the same children as the main result would tell of the few in which they differ.
WITH finding AS (
    SELECT * FROM horizon.sensitivity
),

main_result AS (
    SELECT outcome, n
    FROM finding
    WHERE threat = 'main'
),

judged AS (
    SELECT
        finding.*,
        COALESCE(finding.n BETWEEN 1 AND plan.study.threshold - 1, FALSE)
            OR COALESCE(ABS(finding.n - main_result.n) BETWEEN 1 AND plan.study.threshold - 1, FALSE)
            AS is_small
    FROM finding
    INNER JOIN main_result ON main_result.outcome = finding.outcome
    CROSS JOIN plan.study
)

SELECT
    outcome,
    threat,
    assumption,
    position,
    CASE WHEN NOT is_small THEN value END AS value,
    CASE WHEN NOT is_small THEN estimate END AS estimate,
    CASE WHEN NOT is_small THEN std_error END AS std_error,
    CASE WHEN NOT is_small THEN df END AS df,
    CASE WHEN NOT is_small THEN ci_low END AS ci_low,
    CASE WHEN NOT is_small THEN ci_high END AS ci_high,
    CASE WHEN NOT is_small THEN breakdown END AS breakdown,
    CASE WHEN NOT is_small THEN changes_word END AS changes_word,
    CASE WHEN NOT is_small THEN n END AS n_children,
    n_units,
    n_clusters,
    CASE WHEN is_small THEN 'suppressed' ELSE status END AS status,
    CASE WHEN is_small THEN 'fewer children than the threshold behind the row or its difference to the main result'
        ELSE note END AS note,
    plan_sha256
FROM judged
