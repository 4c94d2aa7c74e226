-- One row per outcome, Kreis, period and stratum: sums of Gemeinde cells, and official counts with their denominators.
--
-- key: outcome, kreis, period, stratum
--
-- outcome           id      outcome of the plan
-- kreis             id      Kreis or kreisfreie Stadt, 5-digit key
-- period            year    period of the outcome
-- stratum           text    home language and parents' education, or 'all'
-- n                 count   children with a known value, or the official denominator
-- total             sum     sum of the outcome, or the official count
-- total_of_squares  sum     sum of squares of the outcome
SELECT
    cells.gemeinde.outcome,
    reference.gemeinde.kreis,
    cells.gemeinde.period,
    cells.gemeinde.stratum,
    CAST(SUM(cells.gemeinde.n) AS BIGINT) AS n,
    CAST(SUM(cells.gemeinde.total) AS DECIMAL(38, 4)) AS total,
    CAST(SUM(cells.gemeinde.total_of_squares) AS DECIMAL(38, 8)) AS total_of_squares
FROM cells.gemeinde
INNER JOIN reference.gemeinde ON reference.gemeinde.ags = cells.gemeinde.ags
GROUP BY cells.gemeinde.outcome, reference.gemeinde.kreis, cells.gemeinde.period, cells.gemeinde.stratum
UNION ALL
SELECT
    cells.official.outcome,
    cells.official.kreis,
    cells.official.period,
    cells.official.stratum,
    cells.official.n,
    CAST(cells.official.total AS DECIMAL(38, 4)) AS total,
    CAST(cells.official.total_of_squares AS DECIMAL(38, 8)) AS total_of_squares
FROM cells.official
INNER JOIN plan.outcome ON plan.outcome.outcome = cells.official.outcome
