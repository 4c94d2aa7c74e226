-- One row per outcome from published percentages, Kreis of North Rhine-Westphalia and period.
--
-- key: outcome, kreis, period
--
-- outcome  text   series of staging.official_rate
-- kreis    id     5-digit key
-- period   year   year of the figure
-- value    share  published percentage divided by 100; the number of children is unknown
SELECT r.series AS outcome, r.kreis, r.year AS period, CAST(r.rate AS DOUBLE) AS value
FROM staging.official_rate AS r
JOIN reference.kreis AS k ON k.kreis = r.kreis
ORDER BY outcome, r.kreis, period
