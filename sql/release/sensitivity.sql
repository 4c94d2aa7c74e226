-- One row per primary outcome, threat and assumption: what would change the conclusion.
--
-- key: outcome, threat, assumption
--
-- outcome       id        primary outcome of the plan
-- threat        text      what is assumed or changed; main is the result as planned
-- assumption    text      which assumption or choice of this kind
-- position      number    place of the row in the table of its outcome; the main result is 1
-- value         number    number of the assumption, as its note says
-- estimate      estimate  effect under the assumption, or what its note says
-- std_error     estimate  its standard error
-- df            number    degrees of freedom
-- ci_low        estimate  lower end of the interval; empty also where it is open
-- ci_high       estimate  upper end of the interval; empty also where it is open
-- breakdown     number    value of the assumption from which the interval holds zero
-- changes_word  flag      the interval lies otherwise to zero than that of the main result
-- n_children    count     children in the treated cells behind the row; empty where unknown
-- n_units       number    units compared
-- n_clusters    number    clusters of the errors
-- status        text      estimated, not estimable, or suppressed
-- note          note      reason, or what a reader of the row must know
-- plan_sha256   id        hash of the plan
SELECT
    outcome,
    threat,
    assumption,
    position,
    value,
    estimate,
    std_error,
    df,
    ci_low,
    ci_high,
    breakdown,
    changes_word,
    n_children,
    n_units,
    n_clusters,
    status,
    note,
    plan_sha256
FROM disclosure.sensitivity
