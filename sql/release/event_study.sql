-- One row per outcome, comparison, estimator and event time: effects by periods since adoption.
--
-- key: outcome, comparison, estimator, event_time
--
-- outcome          id        outcome of the plan
-- comparison       text      comparison of the plan
-- estimator        text      estimator
-- cohort                year      adoption cohort; empty when all cohorts are taken together
-- event_time            number    periods since adoption; negative before
-- years_under_programme years     mean years under the programme of the children behind the row
-- estimate         estimate  effect in the outcome's own unit (shares as fractions of 1)
-- std_error        estimate  its standard error
-- df               number    degrees of freedom of its interval
-- ci_low           estimate  lower end of the interval at the plan's confidence
-- ci_high          estimate  upper end
-- band_low         estimate  lower end of the simultaneous band over all event times
-- band_high        estimate  upper end
-- p_value          number    two-sided p-value of one look
-- n_children       count     children behind the row; empty where the source gives rates only
-- n_units          number    units compared
-- n_treated_units  number    of these, taking part
-- n_clusters       number    clusters of the errors
-- status           text      estimated, or not estimable
-- note             note      reason, or what a reader of the row must know
-- plan_sha256      id        hash of the plan
WITH estimate_row AS (
    SELECT * FROM estimates.callaway_santanna
    UNION ALL
    SELECT * FROM estimates.event_study
    UNION ALL
    SELECT * FROM estimates.two_way_fixed_effects
),

treated_weight AS (
    SELECT
        outcome,
        cohort,
        wave,
        SUM(weight) AS weight
    FROM cells.adoption
    WHERE cohort IS NOT NULL
    GROUP BY outcome, cohort, wave
),

exposure_at AS (
    SELECT
        treated_weight.outcome,
        reference.exposure.period - treated_weight.cohort AS event_time,
        SUM(treated_weight.weight * reference.exposure.years_under_programme) / SUM(treated_weight.weight)
            AS years_under_programme
    FROM treated_weight
    INNER JOIN reference.exposure
        ON reference.exposure.outcome = treated_weight.outcome AND reference.exposure.wave = treated_weight.wave
    INNER JOIN plan.outcome ON plan.outcome.outcome = treated_weight.outcome
    CROSS JOIN plan.study
    WHERE
        reference.exposure.period
        BETWEEN GREATEST(plan.study.first_period, plan.outcome.first_valid_period)
        AND LEAST(plan.study.last_period, plan.outcome.last_valid_period)
    GROUP BY treated_weight.outcome, reference.exposure.period - treated_weight.cohort
)

SELECT
    estimate_row.outcome,
    comparison,
    estimator,
    cohort,
    estimate_row.event_time,
    exposure_at.years_under_programme,
    estimate,
    std_error,
    df,
    ci_low,
    ci_high,
    band_low,
    band_high,
    p_value,
    n AS n_children,
    n_units,
    n_treated_units,
    n_clusters,
    status,
    note,
    plan_sha256
FROM estimate_row
LEFT JOIN exposure_at
    ON exposure_at.outcome = estimate_row.outcome AND exposure_at.event_time = estimate_row.event_time
WHERE aggregation = 'event' AND estimate_row.event_time IS NOT NULL
