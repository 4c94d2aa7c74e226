-- One row per covariate, unit of evaluation and period: official statistics that a comparison may hold constant.
--
-- key: covariate, unit, period
--
-- covariate  id      name of the covariate
-- unit       id      Kreis, 5-digit key
-- period     year    calendar year
-- value      number  share of children or number, as the series is defined
SELECT
    staging.official_covariate.covariate,
    staging.official_covariate.kreis AS unit,
    staging.official_covariate.year AS period,
    staging.official_covariate.value
FROM staging.official_covariate
INNER JOIN reference.kreis ON reference.kreis.kreis = staging.official_covariate.kreis
CROSS JOIN plan.study
WHERE plan.study.unit = 'kreis'
