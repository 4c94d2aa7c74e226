-- One row per primary outcome: fake adoptions, beside the variance formula.
--
-- key: outcome
--
-- outcome       id        outcome of the plan
-- n_draws       number    fake adoptions drawn
-- n_units       number    places among which they were drawn
-- first_period  year      first period
-- last_period   year      last period
-- sd            estimate  spread of the fake effects of full exposure
-- formula_sd    estimate  spread that the variance formula expects
-- ratio         number    sd divided by formula_sd
-- size          share     share of fake adoptions in which an effect would be reported
-- mde           estimate  effect of full exposure found with the plan's power among them
-- status        text      estimated, or not estimable
-- note          note      reason, or what a reader of the row must know
-- plan_sha256   id        hash of the plan
SELECT
    outcome,
    n_draws,
    n_units,
    first_period,
    last_period,
    sd,
    formula_sd,
    ratio,
    size,
    mde,
    status,
    note,
    plan_sha256
FROM horizon.placebo_adoption
