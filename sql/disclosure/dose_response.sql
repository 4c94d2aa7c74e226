-- One row per primary outcome, kind, shape, method, period and bin: effects by years under the programme, taken out where it rests on few children.
--
-- key: outcome, kind, shape, method, period, low
--
-- outcome         id        outcome of the plan
-- kind            text      slope, curve, or shape_test
-- shape           text      linear, square_root, threshold; none for the curve
-- method          text      gls, gls_nonnegative, or mean
-- period          year      period of the outcome; 0 where there is none
-- year            year      calendar year in which it is measured
-- low             years     lower end of the bin of exposure
-- high            years     upper end of the bin of exposure
-- estimate        estimate  effect of full exposure, or mean effect in the bin
-- std_error       estimate  its standard error, leaving out one cluster at a time
-- df              number    degrees of freedom
-- ci_low          estimate  lower end of the interval of one look
-- ci_high         estimate  upper end
-- p_value         number    p-value of the test of the shape
-- information     number    1/variance of the slope
-- negative_share  share     share of negative weights
-- mean_years      years     mean exposure of the effects, by their weight
-- n_effects       number    cohort and period effects behind the row
-- n_children      count     children behind the row
-- status          text      estimated, or not estimable
-- note            note      reason, or what a reader of the row must know
-- plan_sha256     id        hash of the plan
WITH found AS (
    SELECT * FROM horizon.dose_response
),

judged AS (
    SELECT found.*, COALESCE(found.n BETWEEN 1 AND plan.study.threshold - 1, FALSE) AS is_small
    FROM found
    CROSS JOIN plan.study
)

SELECT
    outcome,
    kind,
    shape,
    method,
    period,
    year,
    low,
    high,
    CASE WHEN NOT is_small THEN estimate END AS estimate,
    CASE WHEN NOT is_small THEN std_error END AS std_error,
    CASE WHEN NOT is_small THEN df END AS df,
    CASE WHEN NOT is_small THEN ci_low END AS ci_low,
    CASE WHEN NOT is_small THEN ci_high END AS ci_high,
    CASE WHEN NOT is_small THEN p_value END AS p_value,
    CASE WHEN NOT is_small THEN information END AS information,
    negative_share,
    mean_years,
    n_effects,
    CASE WHEN NOT is_small THEN n END AS n_children,
    CASE WHEN is_small THEN 'suppressed' ELSE status END AS status,
    CASE WHEN is_small THEN 'fewer children than the threshold' ELSE note END AS note,
    plan_sha256
FROM judged
