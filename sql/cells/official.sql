-- One row per outcome from official counts, Kreis of North Rhine-Westphalia and period.
--
-- key: outcome, kreis, period, stratum
--
-- outcome           text   series of staging.official_count
-- kreis             id     5-digit key
-- period            year   year of the figure
-- stratum           text   always "all": the figures are not divided further
-- n                 count  children among whom the feature is counted
-- total             sum    children with the feature
-- total_of_squares  sum    equal to total, because each child counts 0 or 1
--
-- A row with more children counted than there are to count is no share and is left out.
SELECT
    c.series AS outcome,
    c.kreis,
    c.year AS period,
    CAST('all' AS VARCHAR) AS stratum,
    CAST(c.denominator AS BIGINT) AS n,
    CAST(c.count AS DECIMAL(38, 4)) AS total,
    CAST(c.count AS DECIMAL(38, 4)) AS total_of_squares
FROM staging.official_count AS c
JOIN reference.kreis AS k ON k.kreis = c.kreis
WHERE c.denominator > 0 AND c.count <= c.denominator
ORDER BY outcome, c.kreis, period
