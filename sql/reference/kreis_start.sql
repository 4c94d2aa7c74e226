-- One row per Kreis and rule of participation: from which wave the whole Kreis takes part.
--
-- key: kreis, rule
--
-- kreis        id    5-digit key
-- rule         text  named or with_kreis, as in reference.kreis_dose
-- kreis_group  text  A: whole Kreis from 2012; B: whole Kreis from 2017; C: no part of it until 2019; D: a part of it until 2019
-- full_wave    year  first wave by which the whole Kreis takes part; empty: never the whole
-- is_partial   flag  after at least one of the three waves a part of the Kreis takes part but not the whole
WITH waves AS (
    SELECT
        kreis,
        rule,
        MIN(CASE WHEN children_taking_part = children THEN wave END) AS full_wave,
        MAX(CASE WHEN children_taking_part > 0 AND children_taking_part < children THEN 1 ELSE 0 END) AS partial_once,
        MAX(CASE WHEN wave = 2012 THEN children_taking_part END) AS taking_part_2012,
        MAX(CASE WHEN wave = 2017 THEN children_taking_part END) AS taking_part_2017
    FROM reference.kreis_dose
    GROUP BY kreis, rule
)
SELECT
    kreis,
    rule,
    CASE
        WHEN full_wave = 2012 THEN 'A'
        WHEN full_wave = 2017 AND taking_part_2012 = 0 THEN 'B'
        WHEN taking_part_2017 = 0 THEN 'C'
        ELSE 'D'
    END AS kreis_group,
    full_wave,
    partial_once = 1 AS is_partial
FROM waves
ORDER BY kreis, rule
