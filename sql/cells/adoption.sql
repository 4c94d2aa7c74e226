-- One row per outcome and unit that can be compared: its wave, first exposed period, cluster and fixed weight.
--
-- key: outcome, unit
--
-- outcome  id     outcome of the plan
-- unit     id     unit of evaluation
-- kreis    id     Kreis of the unit
-- region   text   rheinland or westfalen
-- wave     year   wave of the unit; empty when it never took part in a wave of the plan
-- cohort   year   first period whose children were exposed for the plan's minimum; empty when never
-- cluster  id     cluster of the errors
-- weight   number fixed weight: children under 6 at the end of 2015, before any outcome is seen, or 1
WITH unit_size AS (
    SELECT
        reference.unit.unit,
        SUM(reference.gemeinde.children_under_6_2015) AS children
    FROM reference.unit
    INNER JOIN reference.gemeinde
        ON reference.gemeinde.ags = reference.unit.unit OR reference.gemeinde.kreis = reference.unit.unit
    GROUP BY reference.unit.unit
),

first_exposed AS (
    SELECT
        outcome,
        wave,
        MIN(first_exposed_period) AS cohort
    FROM reference.exposure
    GROUP BY outcome, wave
)

SELECT
    plan.outcome.outcome,
    reference.unit.unit,
    reference.unit.kreis,
    reference.unit.region,
    reference.unit.wave,
    first_exposed.cohort,
    CASE WHEN plan.study.cluster_level = 'kreis' THEN reference.unit.kreis ELSE reference.unit.unit END AS cluster,
    CASE WHEN plan.study.weights = 'children' THEN CAST(unit_size.children AS DOUBLE) ELSE 1.0 END AS weight
FROM plan.outcome
CROSS JOIN plan.study
CROSS JOIN reference.unit
INNER JOIN unit_size ON unit_size.unit = reference.unit.unit
LEFT JOIN first_exposed
    ON first_exposed.outcome = plan.outcome.outcome AND first_exposed.wave = reference.unit.wave
-- A unit that takes part without ever being exposed enough is no comparison either.
WHERE reference.unit.role IN ('never', 'partial') OR (reference.unit.role = 'treated' AND first_exposed.cohort IS NOT NULL)
