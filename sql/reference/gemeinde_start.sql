-- One row per Gemeinde: the wave with which it takes part, under both rules of participation.
--
-- key: ags
--
-- ags              id    8-digit key of the Gemeinde
-- kreis            id    5-digit key of its Kreis
-- wave_named       year  earliest wave in which the Gemeinde itself is named; empty: never named
-- wave_with_kreis  year  earliest wave of the Gemeinde or of its whole Kreis; empty: neither takes part
--
-- A town may join before or after its Kreis (Gladbeck 2012 in Recklinghausen 2017); the earlier wave counts.
WITH own AS (
    SELECT ags, MIN(wave) AS wave
    FROM reference.participation
    WHERE level <> 'kreis'
    GROUP BY ags
),
whole_kreis AS (
    SELECT kreis, MIN(wave) AS wave
    FROM reference.participation
    WHERE level = 'kreis'
    GROUP BY kreis
)
SELECT
    g.ags,
    g.kreis,
    own.wave AS wave_named,
    CASE
        WHEN own.wave IS NULL THEN whole_kreis.wave
        WHEN whole_kreis.wave IS NULL THEN own.wave
        WHEN own.wave <= whole_kreis.wave THEN own.wave
        ELSE whole_kreis.wave
    END AS wave_with_kreis
FROM reference.gemeinde AS g
LEFT JOIN own ON own.ags = g.ags
LEFT JOIN whole_kreis ON whole_kreis.kreis = g.kreis
ORDER BY g.ags
