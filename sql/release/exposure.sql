-- One row per outcome, wave and period: years under the programme, and when an effect can first be known.
--
-- key: outcome, wave, period
--
-- outcome                     id     outcome of the plan
-- wave                        year   wave of participation
-- period                      year   period of the outcome (entry, calendar or Kita year)
-- measurement_date            date   day on which the period's children are measured
-- years_under_programme       years  years of their lives, from pregnancy, under the programme
-- full_years                  years  years of full exposure
-- share_of_full               share  years under the programme as a share of full exposure
-- is_exposed                  flag   whether the period counts as exposed (the plan's minimum)
-- is_fully_exposed            flag   whether its children were under the programme from pregnancy on
-- first_exposed_period        year   first exposed period of the outcome and wave
-- first_exposed_year          year   year in which that period is measured: the first year that can show any effect
-- first_fully_exposed_period  year   first fully exposed period
-- first_fully_exposed_year    year   year in which that period is measured
-- can_be_known_now            flag   whether the period had been measured on the day the study speaks
SELECT
    reference.exposure.outcome,
    reference.exposure.wave,
    reference.exposure.period,
    reference.exposure.measurement_date,
    reference.exposure.years_under_programme,
    reference.exposure.full_years,
    reference.exposure.share_of_full,
    reference.exposure.is_exposed,
    reference.exposure.is_fully_exposed,
    reference.exposure.first_exposed_period,
    reference.exposure.first_exposed_year,
    reference.exposure.first_fully_exposed_period,
    reference.exposure.first_fully_exposed_year,
    reference.exposure.measurement_date <= plan.study.as_of AS can_be_known_now
FROM reference.exposure
CROSS JOIN plan.study
