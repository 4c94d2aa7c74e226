-- One row per outcome at school, span, kind, cohort and multiple: the early signal, without numbers on few children.
--
-- key: outcome, span, kind, cohort_or_none, multiple_or_none
--
-- outcome           id        outcome at school
-- comparison        text      comparison of the plan
-- estimator         text      estimator of the effects that the index is made of
-- span              text      entry years: before adoption, known (exam and outcome), or ahead (exam only)
-- kind              text      observed effect, index, miss (observed less index), bound or cautious_bound
-- cohort_or_none    number    adoption cohort, 0 for none
-- multiple_or_none  number    multiple, 0 for none
-- cohort            year      adoption cohort; empty for all of them
-- multiple          number    multiple of the largest past miss that a bound allows for
-- period_first      year      first entry year behind the row
-- period_last       year      last entry year behind the row
-- estimate          estimate  in the outcome's own unit; of a bound: the index
-- std_error         estimate  its standard error
-- df                number    degrees of freedom
-- ci_low            estimate  lower end of the interval; of a bound: widened by the multiple
-- ci_high           estimate  upper end of the interval
-- largest_miss      estimate  size of the largest past miss, or of the far end of its interval
-- breakdown         number    multiple of the largest past miss from which the interval holds zero
-- n_children        count     children behind the row
-- n_linked          count     children behind the link of exam and school; empty for municipal means
-- n_units           number    units compared
-- n_clusters        number    clusters of the errors
-- status            text      estimated, not estimable, or suppressed
-- note              note      reason, or what a reader of the row must know
-- plan_sha256       id        hash of the plan
--
-- A row is taken out when few children are behind its effect or behind the link of exam and school.
-- Misses on few children enter no bound: they are left out where bounds are made.
WITH signal AS (
    SELECT * FROM horizon.early_signal
),

judged AS (
    SELECT
        signal.*,
        COALESCE(signal.n BETWEEN 1 AND plan.study.threshold - 1, FALSE)
        OR COALESCE(signal.n_linked BETWEEN 1 AND plan.study.threshold - 1, FALSE) AS is_small
    FROM signal
    CROSS JOIN plan.study
)

SELECT
    outcome,
    comparison,
    estimator,
    span,
    kind,
    COALESCE(cohort, 0) AS cohort_or_none,
    COALESCE(multiple, 0) AS multiple_or_none,
    cohort,
    multiple,
    period_first,
    period_last,
    CASE WHEN NOT is_small THEN estimate END AS estimate,
    CASE WHEN NOT is_small THEN std_error END AS std_error,
    CASE WHEN NOT is_small THEN df END AS df,
    CASE WHEN NOT is_small THEN ci_low END AS ci_low,
    CASE WHEN NOT is_small THEN ci_high END AS ci_high,
    CASE WHEN NOT is_small THEN largest_miss END AS largest_miss,
    CASE WHEN NOT is_small THEN breakdown END AS breakdown,
    CASE WHEN NOT is_small THEN n END AS n_children,
    CASE WHEN NOT is_small THEN n_linked END AS n_linked,
    n_units,
    n_clusters,
    CASE WHEN is_small THEN 'suppressed' ELSE status END AS status,
    CASE WHEN is_small THEN 'fewer children than the threshold' ELSE note END AS note,
    plan_sha256
FROM judged
