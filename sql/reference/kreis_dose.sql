-- One row per Kreis, wave and rule of participation: how much of the Kreis takes part by that wave.
--
-- key: kreis, wave, rule
--
-- kreis                 id     5-digit key
-- wave                  year   2012, 2017 or 2020
-- rule                  text   named: only Gemeinden that are named themselves; with_kreis: also all Gemeinden of a named Kreis
-- children              count  children under 6 in the Kreis on 31 December 2015
-- children_taking_part  count  of these, living in Gemeinden that take part in this wave or an earlier one
-- dose                  share  children_taking_part / children
WITH start AS (
    SELECT g.kreis, g.children_under_6_2015 AS children, 'named' AS rule, s.wave_named AS wave
    FROM reference.gemeinde_start AS s
    JOIN reference.gemeinde AS g ON g.ags = s.ags
    UNION ALL
    SELECT g.kreis, g.children_under_6_2015, 'with_kreis', s.wave_with_kreis
    FROM reference.gemeinde_start AS s
    JOIN reference.gemeinde AS g ON g.ags = s.ags
),
counted AS (
    SELECT
        start.kreis,
        w.wave,
        start.rule,
        SUM(start.children) AS children,
        SUM(CASE WHEN start.wave <= w.wave THEN start.children ELSE 0 END) AS children_taking_part
    FROM start
    CROSS JOIN reference.wave AS w
    GROUP BY start.kreis, w.wave, start.rule
)
SELECT
    kreis,
    wave,
    rule,
    CAST(children AS BIGINT) AS children,
    CAST(children_taking_part AS BIGINT) AS children_taking_part,
    CAST(children_taking_part AS DOUBLE) / children AS dose
FROM counted
ORDER BY kreis, wave, rule
