-- One row per primary outcome, kind, shape, method, period and bin: effects by years under the programme.
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
SELECT
    outcome,
    kind,
    shape,
    method,
    period,
    year,
    low,
    high,
    estimate,
    std_error,
    df,
    ci_low,
    ci_high,
    p_value,
    information,
    negative_share,
    mean_years,
    n_effects,
    n_children,
    status,
    note,
    plan_sha256
FROM disclosure.dose_response
