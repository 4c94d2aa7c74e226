-- One row per primary outcome and period: the yearly look, taken out where it rests on few children.
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
WITH found AS (
    SELECT * FROM horizon.looks
),

judged AS (
    SELECT found.*, COALESCE(found.n BETWEEN 1 AND plan.study.threshold - 1, FALSE) AS is_small
    FROM found
    CROSS JOIN plan.study
)

SELECT
    outcome,
    period,
    year,
    CASE WHEN NOT is_small THEN information END AS information,
    fraction,
    alpha_spent,
    CASE WHEN NOT is_small THEN z_bound END AS z_bound,
    CASE WHEN NOT is_small THEN t_bound END AS t_bound,
    CASE WHEN NOT is_small THEN estimate END AS estimate,
    CASE WHEN NOT is_small THEN std_error END AS std_error,
    CASE WHEN NOT is_small THEN df END AS df,
    CASE WHEN NOT is_small THEN p_value END AS p_value,
    CASE WHEN NOT is_small THEN ci_low END AS ci_low,
    CASE WHEN NOT is_small THEN ci_high END AS ci_high,
    CASE WHEN NOT is_small THEN has_crossed END AS has_crossed,
    CASE WHEN NOT is_small THEN verdict END AS verdict,
    CASE WHEN NOT is_small THEN reported_estimate END AS reported_estimate,
    CASE WHEN NOT is_small THEN reported_std_error END AS reported_std_error,
    CASE WHEN NOT is_small THEN sequence_low END AS sequence_low,
    CASE WHEN NOT is_small THEN sequence_high END AS sequence_high,
    CASE WHEN NOT is_small THEN power_planned END AS power_planned,
    CASE WHEN NOT is_small THEN power_current END AS power_current,
    CASE WHEN NOT is_small THEN n END AS n_children,
    CASE WHEN is_small THEN 'suppressed' ELSE status END AS status,
    CASE WHEN is_small THEN 'fewer children than the threshold' ELSE note END AS note,
    plan_sha256
FROM judged
