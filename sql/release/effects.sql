-- One row per outcome, comparison, estimator and summary: the effects in few numbers.
--
-- key: outcome, comparison, estimator, aggregation, row_label
--
-- outcome          id        outcome of the plan
-- comparison       text      comparison of the plan
-- estimator        text      estimator
-- aggregation      text      overall, group, calendar, event (means over cohorts, periods, event times), static, fully_exposed, dose, decomposition, pretest
-- row_label        text      cohort or period of the row, name of a dose row, or all
-- cohort           year      adoption cohort: first exposed period
-- event_time       number    periods since adoption
-- period           year      period
-- estimate         estimate  effect in the outcome's own unit (shares as fractions of 1)
-- std_error        estimate  its standard error
-- df               number    degrees of freedom of its interval
-- ci_low           estimate  lower end of the interval at the plan's confidence
-- ci_high          estimate  upper end
-- p_value          number    two-sided p-value of one look; a pretest row tests all earlier periods at once
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
    aggregation,
    CASE
        WHEN aggregation = 'decomposition'
            THEN CAST(cohort AS VARCHAR) || ' against ' || COALESCE(CAST(period AS VARCHAR), 'never treated')
        ELSE
            COALESCE(CAST(cohort AS VARCHAR), CAST(period AS VARCHAR), NULLIF(NULLIF(label, ''), 'overall'), 'all')
    END AS row_label,
    cohort,
    event_time,
    period,
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
-- The mean over event times has no event time and is a summary; single event times stand in event_study.
WHERE aggregation <> 'group_time' AND (aggregation <> 'event' OR event_time IS NULL)
