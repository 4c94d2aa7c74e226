-- One row per outcome and period: the smallest effects that could be told from chance, seen and to come.
--
-- key: outcome, period
--
-- outcome                id        outcome of the plan
-- period                 year      period of the outcome; 0 where there is none
-- year                   year      calendar year in which it is measured
-- is_projected           flag      after the data: from variances seen so far
-- is_extrapolated        flag      rests on drift over more years than were measured
-- n_effects              number    cohort and period effects behind the row
-- years_under_programme  years     longest exposure of a measured cohort
-- share_of_full          share     mean exposure of treated cohorts, of a full one
-- information            number    1/variance of the dose slope
-- df                     number    degrees of freedom
-- mde_full               estimate  smallest effect of full exposure that is found with the plan's power
-- mde_full_error         estimate  its standard error from the variation of places
-- mde_nonnegative        estimate  the same for the slope with no negative weights
-- mde_average            estimate  smallest average effect of all exposed cohorts that is found
-- mde_latest_event       estimate  smallest effect of the longest event time that is found
-- latest_event_time      number    longest event time
-- effect_worth_knowing   estimate  size of the full effect that the plan calls relevant
-- is_detectable          flag      whether an effect of that size is found with the plan's power
-- p_detected             share     chance that a yearly look has found an effect of that size by then
-- n_children             count     children behind the row; empty for years to come and where unknown
-- status                 text      estimated, or not estimable
-- note                   note      reason, or what a reader of the row must know
-- plan_sha256            id        hash of the plan
SELECT
    outcome,
    period,
    year,
    is_projected,
    is_extrapolated,
    n_effects,
    years_under_programme,
    share_of_full,
    information,
    df,
    mde_full,
    mde_full_error,
    mde_nonnegative,
    mde_average,
    mde_latest_event,
    latest_event_time,
    effect_worth_knowing,
    is_detectable,
    p_detected,
    n_children,
    status,
    note,
    plan_sha256
FROM disclosure.detectability
