-- One row per outcome, comparison, estimator and event time: effects by periods since adoption.
--
-- key: outcome, comparison, estimator, event_time
--
-- outcome          id        outcome of the plan
-- comparison       text      comparison of the plan
-- estimator        text      estimator
-- cohort           year      adoption cohort; empty when all cohorts are taken together
-- event_time       number    periods since adoption; negative before
-- years_under_programme  years  mean years under the programme of the units behind the row
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
-- status           text      estimated, not estimable, or suppressed
-- note             note      reason, or what a reader of the row must know
-- plan_sha256      id        hash of the plan
SELECT
    disclosure.estimate.outcome,
    disclosure.estimate.comparison,
    estimator,
    cohort,
    disclosure.estimate.event_time,
    cells.event_exposure.years_under_programme,
    estimate,
    std_error,
    df,
    ci_low,
    ci_high,
    band_low,
    band_high,
    p_value,
    n_children,
    n_units,
    n_treated_units,
    n_clusters,
    status,
    note,
    plan_sha256
FROM disclosure.estimate
LEFT JOIN cells.event_exposure
    ON cells.event_exposure.outcome = disclosure.estimate.outcome
    AND cells.event_exposure.comparison = disclosure.estimate.comparison
    AND cells.event_exposure.event_time = disclosure.estimate.event_time
WHERE aggregation = 'event' AND disclosure.estimate.event_time IS NOT NULL
