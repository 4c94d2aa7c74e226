-- One row per unit of the plan (a Gemeinde or a Kreis): its wave and its role in the comparison.
--
-- key: unit
--
-- unit    id     8-digit key of a Gemeinde or 5-digit key of a Kreis, as study.unit of the plan says
-- name    text   plain name
-- kreis   id     5-digit key of the Kreis
-- region  text   rheinland or westfalen
-- wave    year   wave of the plan with which the whole unit takes part; empty for units without a usable start
-- partial_wave  year   first wave at which only a part of the Kreis takes part; its outcomes count as untreated before
-- dose    share  share of its children under 6 (31 December 2015) living where the programme runs by the plan's latest wave
-- role    text   treated, never, partial (dose reported, not compared) or excluded
-- reason  note   why the unit is partial or excluded, or what to know of a unit that never takes part
--
-- A unit of a wave which the plan leaves out and which lies before the plan's latest wave is excluded, because it would be
-- (wrongly) compared as untreated. A unit of a later wave never takes part as far as the plan's waves are concerned.
-- Periods after such a later start are for the plan to exclude.
WITH plan_waves AS (
    SELECT MAX(wave) AS latest FROM plan.wave
),
gemeinde_unit AS (
    SELECT
        g.ags AS unit,
        g.name,
        g.kreis,
        CASE s.participation_rule WHEN 'named' THEN start.wave_named ELSE start.wave_with_kreis END AS start_wave,
        CAST(NULL AS INTEGER) AS partial_wave
    FROM plan.study AS s
    CROSS JOIN reference.gemeinde AS g
    JOIN reference.gemeinde_start AS start ON start.ags = g.ags
    WHERE s.unit = 'ags'
),
kreis_by_wave AS (
    SELECT
        d.kreis,
        MIN(CASE WHEN d.children_taking_part = d.children THEN d.wave END) AS start_wave,
        MIN(CASE
            WHEN d.wave <= p.latest AND d.children_taking_part > 0 AND d.children_taking_part < d.children THEN d.wave
        END) AS partial_wave,
        MAX(CASE WHEN d.wave <= p.latest THEN d.dose END) AS dose
    FROM plan.study AS s
    JOIN reference.kreis_dose AS d ON d.rule = s.participation_rule
    CROSS JOIN plan_waves AS p
    WHERE s.unit = 'kreis'
    GROUP BY d.kreis
),
started AS (
    SELECT unit, name, kreis, start_wave, partial_wave, CASE WHEN start_wave <= p.latest THEN 1.0 ELSE 0.0 END AS dose
    FROM gemeinde_unit
    CROSS JOIN plan_waves AS p
    UNION ALL
    SELECT k.kreis, k.name, k.kreis, b.start_wave, b.partial_wave, b.dose
    FROM kreis_by_wave AS b
    JOIN reference.kreis AS k ON k.kreis = b.kreis
),
judged AS (
    SELECT
        started.*,
        p.latest,
        w.wave AS plan_wave,
        x.reason AS plan_reason,
        CASE
            WHEN x.unit IS NOT NULL THEN 'excluded'
            WHEN started.partial_wave IS NOT NULL THEN 'partial'
            WHEN w.wave IS NOT NULL THEN 'treated'
            WHEN started.start_wave < p.latest THEN 'excluded'
            ELSE 'never'
        END AS role
    FROM started
    CROSS JOIN plan_waves AS p
    LEFT JOIN plan.wave AS w ON w.wave = started.start_wave
    LEFT JOIN plan.excluded_unit AS x ON x.unit = started.unit
)
SELECT
    judged.unit,
    judged.name,
    judged.kreis,
    k.region,
    CAST(CASE WHEN judged.partial_wave IS NULL THEN judged.plan_wave END AS INTEGER) AS wave,
    CAST(judged.partial_wave AS INTEGER) AS partial_wave,
    CAST(judged.dose AS DOUBLE) AS dose,
    judged.role,
    CAST(CASE
        WHEN judged.plan_reason IS NOT NULL THEN judged.plan_reason
        WHEN judged.role = 'partial' THEN 'only a part of the Kreis takes part from ' || judged.partial_wave
        WHEN judged.role = 'excluded' THEN 'takes part from ' || judged.start_wave || ', a wave the plan leaves out'
        WHEN judged.role = 'never' AND judged.start_wave IS NOT NULL THEN 'takes part from ' || judged.start_wave || ', after the waves of the plan'
    END AS VARCHAR) AS reason
FROM judged
JOIN reference.kreis AS k ON k.kreis = judged.kreis
ORDER BY judged.unit
