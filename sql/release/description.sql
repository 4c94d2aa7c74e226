-- One row per outcome, comparison group and period: the mean and its 95 % sampling interval.
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
SELECT
    disclosure.group_cell.outcome,
    disclosure.group_cell.comparison_group,
    disclosure.group_cell.period,
    disclosure.group_cell.n,
    disclosure.group_cell.n_units,
    disclosure.group_cell.mean,
    CASE
        WHEN plan.outcome.unit_of_measure = 'share'
            THEN (mean + 1.920729 / n - 1.959964 * SQRT(mean * (1 - mean) / n + 0.960365 / (n * n))) / (1 + 3.841459 / n)
        ELSE mean - 1.959964 * SQRT(variance_of_mean)
    END AS ci_low,
    CASE
        WHEN plan.outcome.unit_of_measure = 'share'
            THEN (mean + 1.920729 / n + 1.959964 * SQRT(mean * (1 - mean) / n + 0.960365 / (n * n))) / (1 + 3.841459 / n)
        ELSE mean + 1.959964 * SQRT(variance_of_mean)
    END AS ci_high,
    disclosure.group_cell.status,
    CASE
        WHEN plan.excluded_period.reason IS NOT NULL THEN 'not used for effects: ' || plan.excluded_period.reason
        WHEN disclosure.group_cell.status = 'rate only' THEN 'unweighted mean of rates; numbers of children are unknown'
        WHEN disclosure.group_cell.status = 'suppressed' THEN 'fewer children than the threshold'
    END AS note
FROM disclosure.group_cell
INNER JOIN plan.outcome ON plan.outcome.outcome = disclosure.group_cell.outcome
LEFT JOIN plan.excluded_period
    ON plan.excluded_period.source = plan.outcome.source
    AND plan.excluded_period.period = disclosure.group_cell.period
