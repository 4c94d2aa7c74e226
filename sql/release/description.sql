-- One row per outcome, comparison group and period: the mean and its sampling interval at the plan's confidence.
--
-- key: outcome, comparison_group, period
--
-- outcome           id      outcome of the plan
-- comparison_group  text    wave_2012, wave_2017, wave_2020, never, or partial
-- period            year    period of the outcome
-- n                 count   children with a known value
-- n_units           number  units of evaluation with a value
-- mean              number  mean of the outcome
-- ci_low            number  lower end of the interval (Wilson for shares, normal otherwise)
-- ci_high           number  upper end
-- status            text    released, suppressed, or rate only
-- note              note    what a reader of the row must know
WITH bounded AS (
    SELECT
        group_cell.*,
        plan.outcome.unit_of_measure = 'share' AS is_share,
        plan.study.normal_quantile AS z
    FROM disclosure.group_cell AS group_cell
    INNER JOIN plan.outcome ON plan.outcome.outcome = group_cell.outcome
    CROSS JOIN plan.study
)

SELECT
    outcome,
    comparison_group,
    period,
    n,
    n_units,
    mean,
    CASE
        WHEN is_share
            THEN (mean + z * z / (2 * n) - z * SQRT(mean * (1 - mean) / n + z * z / (4.0 * n * n))) / (1 + z * z / n)
        ELSE mean - z * SQRT(variance_of_mean)
    END AS ci_low,
    CASE
        WHEN is_share
            THEN (mean + z * z / (2 * n) + z * SQRT(mean * (1 - mean) / n + z * z / (4.0 * n * n))) / (1 + z * z / n)
        ELSE mean + z * SQRT(variance_of_mean)
    END AS ci_high,
    status,
    CASE
        WHEN status = 'suppressed' THEN 'fewer children than the threshold'
        WHEN reason IS NOT NULL THEN 'not used for effects: ' || reason
        WHEN status = 'rate only' THEN 'unweighted mean of rates; numbers of children are unknown'
    END AS note
FROM bounded
