-- One row per primary outcome and period: the yearly look, its bound and its interval.
--
-- key: outcome, period
--
-- outcome             id        outcome of the plan
-- period              year      period of the outcome; 0 where there is none
-- year                year      calendar year in which it is measured
-- information         number    1/variance of the slope when the look was taken
-- fraction            share     information, of that planned for the last look
-- alpha_spent         share     error spent up to and with this look
-- z_bound             number    bound of the statistic, normal
-- t_bound             number    the same for few clusters
-- estimate            estimate  effect of full exposure by the dose slope
-- std_error           estimate  its standard error
-- df                  number    degrees of freedom
-- p_value             number    p-value of this look alone
-- ci_low              estimate  lower end of the repeated interval, valid over all looks
-- ci_high             estimate  upper end
-- has_crossed         flag      whether the statistic passed the bound
-- verdict             text      effect, no_relevant_effect, undecided
-- reported_estimate   estimate  effect of full exposure by the slope without negative weights
-- reported_std_error  estimate  its standard error
-- sequence_low        estimate  lower end of the interval valid at any number of looks, about
-- sequence_high       estimate  upper end
-- power_planned       share     chance to find the effect worth knowing at the last planned look
-- power_current       share     the same if the effect is as seen now
-- n_children          count     children behind the row
-- status              text      estimated, or not estimable
-- note                note      reason, or what a reader of the row must know
-- plan_sha256         id        hash of the plan
SELECT
    outcome,
    period,
    year,
    information,
    fraction,
    alpha_spent,
    z_bound,
    t_bound,
    estimate,
    std_error,
    df,
    p_value,
    ci_low,
    ci_high,
    has_crossed,
    verdict,
    reported_estimate,
    reported_std_error,
    sequence_low,
    sequence_high,
    power_planned,
    power_current,
    n_children,
    status,
    note,
    plan_sha256
FROM disclosure.looks
