-- One row per outcome, comparison and event time: mean years under the programme of the units that estimation can use.
--
-- key: outcome, comparison, event_time
--
-- outcome                id      outcome of the plan
-- comparison             id      comparison of the plan
-- event_time             number  periods since adoption; negative before
-- years_under_programme  years   mean over units by their fixed weight
WITH used AS (
    SELECT
        cells.adoption.outcome,
        cells.adoption.region,
        cells.adoption.wave,
        cells.adoption.cohort,
        cells.adoption.weight,
        cells.panel.period,
        MIN(cells.panel.period) OVER (PARTITION BY cells.panel.outcome, cells.panel.unit) AS first_used
    FROM cells.panel
    INNER JOIN cells.adoption
        ON cells.adoption.outcome = cells.panel.outcome AND cells.adoption.unit = cells.panel.unit
    WHERE cells.panel.is_used AND cells.adoption.cohort IS NOT NULL
)

SELECT
    used.outcome,
    plan.comparison.comparison,
    used.period - used.cohort AS event_time,
    -- Decimal sums: the same on any number of threads.
    CAST(SUM(CAST(used.weight AS DECIMAL(12, 0)) * CAST(reference.exposure.years_under_programme AS DECIMAL(9, 6))) AS DOUBLE)
        / CAST(SUM(CAST(used.weight AS DECIMAL(12, 0))) AS DOUBLE) AS years_under_programme
FROM used
INNER JOIN reference.exposure
    ON reference.exposure.outcome = used.outcome
    AND reference.exposure.wave = used.wave
    AND reference.exposure.period = used.period
INNER JOIN plan.comparison ON plan.comparison.region = 'all' OR plan.comparison.region = used.region
-- Units that were exposed before their first used period have nothing to be compared with, and no estimate holds them.
WHERE used.first_used < used.cohort
GROUP BY used.outcome, plan.comparison.comparison, used.period - used.cohort
