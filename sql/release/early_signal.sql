-- One row per outcome at school, span, kind, cohort and multiple: what the exam says before the outcome is due.
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
SELECT
    outcome,
    comparison,
    estimator,
    span,
    kind,
    cohort_or_none,
    multiple_or_none,
    cohort,
    multiple,
    period_first,
    period_last,
    estimate,
    std_error,
    df,
    ci_low,
    ci_high,
    largest_miss,
    breakdown,
    n_children,
    n_linked,
    n_units,
    n_clusters,
    status,
    note,
    plan_sha256
FROM disclosure.early_signal
