-- One row per outcome, comparison group and period: group means with small groups suppressed.
--
-- key: outcome, comparison_group, period
--
-- outcome           id      outcome of the plan
-- comparison_group  text    wave_2012, wave_2017, wave_2020, never, or partial (Kreise that took part in part only)
-- period            year    period of the outcome
-- n                 count   children with a known value; empty when suppressed or unknown
-- n_units           number  units with a value
-- mean              number  mean of the outcome; empty when suppressed
-- variance_of_mean  number  sampling variance of the mean; empty when suppressed or n is unknown
-- status            text    released, suppressed, or rate only (numbers of children unknown)
-- reason            note    why no unit of the group is used in this period
WITH grouped AS (
    SELECT
        cells.panel.outcome,
        CASE
            WHEN reference.unit.role = 'treated' THEN 'wave_' || CAST(reference.unit.wave AS VARCHAR)
            ELSE reference.unit.role
        END AS comparison_group,
        cells.panel.period,
        CAST(SUM(cells.panel.n) AS BIGINT) AS n,
        COUNT(*) AS n_units,
        CAST(SUM(cells.panel.total) AS DOUBLE) AS total,
        CAST(SUM(cells.panel.total_of_squares) AS DOUBLE) AS total_of_squares,
        CAST(SUM(CAST(cells.panel.value AS DECIMAL(18, 12))) AS DOUBLE) / COUNT(*) AS mean_of_rates,
        COUNT(cells.panel.n) AS n_units_with_n,
        CASE WHEN COUNT(cells.panel.reason) = COUNT(*) THEN MAX(cells.panel.reason) END AS reason
    FROM cells.panel
    INNER JOIN reference.unit ON reference.unit.unit = cells.panel.unit
    CROSS JOIN plan.study
    WHERE
        reference.unit.role IN ('treated', 'never', 'partial')
        AND cells.panel.period BETWEEN plan.study.first_period AND plan.study.last_period
        AND COALESCE(cells.panel.reason, '') NOT IN (
            'measured after the day on which the study speaks', 'the outcome is not valid in this period'
        )
    GROUP BY cells.panel.outcome, comparison_group, cells.panel.period
),

judged AS (
    SELECT
        grouped.*,
        CASE
            WHEN grouped.n_units_with_n = 0 THEN 'rate only'
            WHEN grouped.n < plan.study.threshold THEN 'suppressed'
            WHEN
                plan.outcome.unit_of_measure = 'share'
                AND (grouped.total < plan.study.threshold OR grouped.n - grouped.total < plan.study.threshold)
                THEN 'suppressed'
            ELSE 'released'
        END AS status
    FROM grouped
    INNER JOIN plan.outcome ON plan.outcome.outcome = grouped.outcome
    CROSS JOIN plan.study
)

SELECT
    outcome,
    comparison_group,
    period,
    CASE WHEN status = 'released' THEN n END AS n,
    n_units,
    CASE status WHEN 'released' THEN total / n WHEN 'rate only' THEN mean_of_rates END AS mean,
    CASE WHEN status = 'released' THEN GREATEST(total_of_squares / n - (total / n) * (total / n), 0) / n END
        AS variance_of_mean,
    status,
    reason
FROM judged
