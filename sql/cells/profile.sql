-- One row per outcome, unit of evaluation, period and stratum: the cells that adjustment for composition needs.
--
-- key: outcome, unit, period, stratum
--
-- outcome           id     outcome of the plan
-- unit              id     unit of evaluation: Gemeinde (8 digits) or Kreis (5 digits), as the plan says
-- period            year   period of the outcome
-- stratum           text   home language and parents' education, such as german_low; unknown; or all where not recorded
-- n                 count  children with a known value
-- total             sum    sum of the outcome
-- total_of_squares  sum    sum of its squares
SELECT
    cells.gemeinde.outcome,
    cells.gemeinde.ags AS unit,
    cells.gemeinde.period,
    cells.gemeinde.stratum,
    CAST(cells.gemeinde.n AS BIGINT) AS n,
    CAST(cells.gemeinde.total AS DECIMAL(38, 4)) AS total,
    CAST(cells.gemeinde.total_of_squares AS DECIMAL(38, 8)) AS total_of_squares
FROM cells.gemeinde
CROSS JOIN plan.study
WHERE plan.study.unit = 'ags' AND cells.gemeinde.n > 0
UNION ALL
SELECT
    cells.kreis.outcome,
    cells.kreis.kreis AS unit,
    cells.kreis.period,
    cells.kreis.stratum,
    CAST(cells.kreis.n AS BIGINT) AS n,
    CAST(cells.kreis.total AS DECIMAL(38, 4)) AS total,
    CAST(cells.kreis.total_of_squares AS DECIMAL(38, 8)) AS total_of_squares
FROM cells.kreis
CROSS JOIN plan.study
WHERE plan.study.unit = 'kreis' AND cells.kreis.n > 0
