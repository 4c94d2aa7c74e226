-- One row per outcome, unit of evaluation and period, with what is used in estimation and why the rest is not.
--
-- key: outcome, unit, period
--
-- outcome           id      outcome of the plan
-- unit              id      unit of evaluation: Gemeinde (8 digits) or Kreis (5 digits), as the plan says
-- period            year    period of the outcome
-- n                 count   children with a known value; empty where the official source gives a rate only
-- total             sum     sum of the outcome
-- total_of_squares  sum     sum of its squares
-- value             number  mean of the outcome in the unit and period
-- is_used           flag    whether estimation uses the row
-- reason            text    why it does not
WITH unit_cell AS (
    SELECT
        cells.gemeinde.outcome,
        cells.gemeinde.ags AS unit,
        cells.gemeinde.period,
        CAST(SUM(cells.gemeinde.n) AS BIGINT) AS n,
        CAST(SUM(cells.gemeinde.total) AS DECIMAL(38, 4)) AS total,
        CAST(SUM(cells.gemeinde.total_of_squares) AS DECIMAL(38, 8)) AS total_of_squares
    FROM cells.gemeinde
    CROSS JOIN plan.study
    WHERE plan.study.unit = 'ags'
    GROUP BY cells.gemeinde.outcome, cells.gemeinde.ags, cells.gemeinde.period
    UNION ALL
    SELECT
        cells.kreis.outcome,
        cells.kreis.kreis AS unit,
        cells.kreis.period,
        CAST(SUM(cells.kreis.n) AS BIGINT) AS n,
        CAST(SUM(cells.kreis.total) AS DECIMAL(38, 4)) AS total,
        CAST(SUM(cells.kreis.total_of_squares) AS DECIMAL(38, 8)) AS total_of_squares
    FROM cells.kreis
    CROSS JOIN plan.study
    WHERE plan.study.unit = 'kreis'
    GROUP BY cells.kreis.outcome, cells.kreis.kreis, cells.kreis.period
),

unit_value AS (
    SELECT
        outcome,
        unit,
        period,
        n,
        total,
        total_of_squares,
        CAST(total AS DOUBLE) / CAST(n AS DOUBLE) AS value
    FROM unit_cell
    WHERE n > 0
    UNION ALL
    SELECT
        cells.official_rate.outcome,
        cells.official_rate.kreis AS unit,
        cells.official_rate.period,
        CAST(NULL AS BIGINT) AS n,
        CAST(NULL AS DECIMAL(38, 4)) AS total,
        CAST(NULL AS DECIMAL(38, 8)) AS total_of_squares,
        CAST(cells.official_rate.value AS DOUBLE) AS value
    FROM cells.official_rate
    CROSS JOIN plan.study
    WHERE plan.study.unit = 'kreis'
),

first_exposed AS (
    SELECT outcome, wave, MIN(first_exposed_period) AS period
    FROM reference.exposure
    GROUP BY outcome, wave
),

judged AS (
    SELECT
        unit_value.outcome,
        unit_value.unit,
        unit_value.period,
        unit_value.n,
        unit_value.total,
        unit_value.total_of_squares,
        unit_value.value,
        CASE
            WHEN reference.unit.unit IS NULL THEN 'not a unit of this study'
            WHEN reference.unit.role = 'excluded' THEN reference.unit.reason
            -- Before a part of a Kreis takes part, the whole of it is as good a comparison as any other.
            WHEN
                reference.unit.role = 'partial'
                AND (first_exposed.period IS NULL OR unit_value.period >= first_exposed.period)
                THEN reference.unit.reason
            WHEN plan.excluded_period.period IS NOT NULL THEN plan.excluded_period.reason
            WHEN unit_value.period < plan.study.first_period OR unit_value.period > plan.study.last_period
                THEN 'outside the study period'
            WHEN unit_value.period < plan.outcome.first_valid_period OR unit_value.period > plan.outcome.last_valid_period
                THEN 'the outcome is not valid in this period'
            WHEN
                MAKE_DATE(CAST(unit_value.period AS INTEGER), 1, 1) + TO_MONTHS(plan.outcome.measured_months)
                > plan.study.as_of
                THEN 'measured after the day on which the study speaks'
        END AS reason
    FROM unit_value
    INNER JOIN plan.outcome ON plan.outcome.outcome = unit_value.outcome
    CROSS JOIN plan.study
    LEFT JOIN reference.unit ON reference.unit.unit = unit_value.unit
    LEFT JOIN first_exposed
        ON first_exposed.outcome = unit_value.outcome AND first_exposed.wave = reference.unit.partial_wave
    LEFT JOIN plan.excluded_period
        ON plan.excluded_period.source = plan.outcome.source AND plan.excluded_period.period = unit_value.period
)

SELECT
    outcome,
    unit,
    period,
    n,
    total,
    total_of_squares,
    value,
    reason IS NULL AS is_used,
    reason
FROM judged
