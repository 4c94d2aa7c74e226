-- One row per unit of evaluation: whether and when it took part, and its part in the comparison.
--
-- key: unit
--
-- unit        id     Gemeinde (8 digits) or Kreis (5 digits)
-- name        text   name of the unit
-- kreis       id     its Kreis
-- kreis_name  text   name of the Kreis
-- region      text   rheinland or westfalen
-- wave        year   wave in which it began (2012, 2017, 2020); empty when it never took part in a wave of the plan
-- start_date  date   first day of that wave
-- dose        share  share of its children under 6 living in participating places at the plan's latest wave
-- role        text   treated, never, partial (in part only, not compared), excluded
-- reason      note   why it is not compared
SELECT
    reference.unit.unit,
    reference.unit.name,
    reference.unit.kreis,
    reference.kreis.name AS kreis_name,
    reference.unit.region,
    reference.unit.wave,
    reference.wave.start_date,
    reference.unit.dose,
    reference.unit.role,
    reference.unit.reason
FROM reference.unit
INNER JOIN reference.kreis ON reference.kreis.kreis = reference.unit.kreis
LEFT JOIN reference.wave ON reference.wave.wave = reference.unit.wave
