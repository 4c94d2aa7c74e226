-- One row per covariate from official statistics, Kreis and year.
--
-- key: covariate, kreis, year
--
-- covariate  text    series of kind covariate in reference.official_series
-- kreis      id      5-digit key; all Kreise of Germany that the tables hold
-- year       year    year of the figure
-- value      number  births: live births; sgb2_under_15: recipients of SGB II under 15 per child born in these 15 years
--
-- No population under 15 is published for each year; the births of the 15 years up to the year stand for it.
SELECT
    c.series AS covariate,
    c.kreis,
    c.year,
    CAST(CASE WHEN d.total IS NULL THEN c.total ELSE c.total / NULLIF(d.total, 0) END AS DOUBLE) AS value
FROM staging.official_sum AS c
LEFT JOIN staging.official_sum AS d
    ON d.series = c.series
    AND d.kreis = c.kreis
    AND d.year = c.year
    AND d.role = 'denominator'
WHERE c.kind = 'covariate'
    AND c.role = 'count'
    AND (
        d.total IS NOT NULL
        OR c.series NOT IN (SELECT series FROM reference.official_series WHERE role = 'denominator')
    )
ORDER BY covariate, c.kreis, c.year
