-- One row per estimate of any estimator, with the numbers taken out where they rest on few children.
--
-- key: outcome, comparison, estimator, aggregation, cohort_or_none, period_or_none, event_time_or_none, label
--
-- outcome             id        outcome of the plan
-- comparison          text      comparison of the plan
-- estimator           text      estimator
-- aggregation         text      what is summed up
-- cohort_or_none      number    adoption cohort, 0 for none
-- period_or_none      number    period, 0 for none
-- event_time_or_none  number    event time, -999 for none
-- cohort              year      adoption cohort
-- period              year      period
-- event_time          number    periods since adoption
-- label               text      overall for the mean of an aggregation, the name of a dose row, else empty
-- estimate            estimate  effect in the outcome's own unit
-- std_error           estimate  its standard error
-- df                  number    degrees of freedom
-- ci_low              estimate  lower end of the interval
-- ci_high             estimate  upper end of the interval
-- band_low            estimate  lower end of the simultaneous band
-- band_high           estimate  upper end of the simultaneous band
-- p_value             number    two-sided p-value of one look
-- n_children          count     children behind the row
-- n_units             number    units compared
-- n_treated_units     number    of these, taking part
-- n_clusters          number    clusters of the errors
-- status              text      estimated, not estimable, or suppressed
-- note                note      reason, or what a reader of the row must know
-- plan_sha256         id        hash of the plan
WITH estimate_row AS (
    SELECT * FROM estimates.callaway_santanna_adjusted
    UNION ALL
    SELECT * FROM estimates.callaway_santanna
    UNION ALL
    SELECT * FROM estimates.sun_abraham
    UNION ALL
    SELECT * FROM estimates.imputation
    UNION ALL
    SELECT * FROM estimates.two_stage
    UNION ALL
    SELECT * FROM estimates.etwfe
    UNION ALL
    SELECT * FROM estimates.etwfe_logit
    UNION ALL
    SELECT * FROM estimates.etwfe_poisson
    UNION ALL
    SELECT * FROM estimates.stacked
    UNION ALL
    SELECT * FROM estimates.synthetic_did
    UNION ALL
    SELECT * FROM estimates.event_study
    UNION ALL
    SELECT * FROM estimates.two_way_fixed_effects
    UNION ALL
    SELECT * FROM estimates.bacon
    UNION ALL
    SELECT * FROM estimates.dose
    UNION ALL
    SELECT * FROM estimates.triple_differences
),

judged AS (
    SELECT
        estimate_row.*,
        COALESCE(estimate_row.n BETWEEN 1 AND plan.study.threshold - 1, FALSE) AS is_small
    FROM estimate_row
    CROSS JOIN plan.study
)

SELECT
    outcome,
    comparison,
    estimator,
    aggregation,
    COALESCE(cohort, 0) AS cohort_or_none,
    COALESCE(period, 0) AS period_or_none,
    COALESCE(event_time, -999) AS event_time_or_none,
    cohort,
    period,
    event_time,
    COALESCE(label, '') AS label,
    CASE WHEN NOT is_small THEN estimate END AS estimate,
    CASE WHEN NOT is_small THEN std_error END AS std_error,
    CASE WHEN NOT is_small THEN df END AS df,
    CASE WHEN NOT is_small THEN ci_low END AS ci_low,
    CASE WHEN NOT is_small THEN ci_high END AS ci_high,
    CASE WHEN NOT is_small THEN band_low END AS band_low,
    CASE WHEN NOT is_small THEN band_high END AS band_high,
    CASE WHEN NOT is_small THEN p_value END AS p_value,
    CASE WHEN NOT is_small THEN n END AS n_children,
    n_units,
    n_treated_units,
    n_clusters,
    CASE WHEN is_small THEN 'suppressed' ELSE status END AS status,
    CASE WHEN is_small THEN 'fewer children than the threshold' ELSE note END AS note,
    plan_sha256
FROM judged
