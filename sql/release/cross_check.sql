-- One row per outcome: how likely the main result is by chance, measured in four ways.
--
-- key: outcome
--
-- outcome      id        outcome of the plan
-- comparison   text      comparison of the plan
-- estimator    text      estimator
-- family       text      outcomes that are corrected together: those of one role
-- n_outcomes   number    outcomes of the family
-- estimate     estimate  overall effect in the outcome's own unit
-- p_value      number    two-sided p-value with jackknife errors, one look
-- p_wild       number    p-value of the wild cluster bootstrap with no effect imposed
-- p_placebo    number    share of placebo reassignments with at least as large a t
-- p_family     number    Romano–Wolf p-value: corrected for the outcomes of the family
-- n_draws      number    bootstrap draws and reassignments asked for
-- n_children   count     children behind the row
-- status       text      estimated, not estimable, or suppressed
-- note         note      what could not be calculated, and why
-- plan_sha256  id        hash of the plan
SELECT
    outcome,
    comparison,
    estimator,
    family,
    n_outcomes,
    estimate,
    p_value,
    p_wild,
    p_placebo,
    p_family,
    n_draws,
    n_children,
    status,
    note,
    plan_sha256
FROM disclosure.cross_check
