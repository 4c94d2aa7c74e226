-- One row per outcome, comparison, cohort and period: the effect on one cohort in one period, ATT(g,t).
--
-- key: outcome, comparison, estimator, cohort, period
--
-- outcome          id        outcome of the plan
-- comparison       text      comparison of the plan
-- estimator        text      estimator
-- cohort           year      adoption cohort: first exposed period
-- period           year      period
-- event_time       number    periods since adoption; negative before
-- estimate         estimate  effect in the outcome's own unit (shares as fractions of 1)
-- std_error        estimate  its standard error
-- df               number    degrees of freedom of its interval
-- ci_low           estimate  lower end of the interval at the plan's confidence
-- ci_high          estimate  upper end
-- p_value          number    two-sided p-value of one look
-- n_children       count     children behind the row; empty where the source gives rates only
-- n_units          number    units compared
-- n_treated_units  number    of these, taking part
-- n_clusters       number    clusters of the errors
-- status           text      estimated, not estimable, or suppressed
-- note             note      reason, or what a reader of the row must know
-- plan_sha256      id        hash of the plan
SELECT
    outcome,
    comparison,
    estimator,
    cohort,
    period,
    event_time,
    estimate,
    std_error,
    df,
    ci_low,
    ci_high,
    p_value,
    n_children,
    n_units,
    n_treated_units,
    n_clusters,
    status,
    note,
    plan_sha256
FROM disclosure.estimate
WHERE aggregation = 'group_time'
