-- One row per outcome, Gemeinde, period and stratum: the cells of all sources of children.
--
-- key: outcome, ags, period, stratum
--
-- outcome           id      outcome of the plan
-- ags               id      Gemeinde, 8-digit key
-- period            year    period of the outcome (entry year or Kita year)
-- stratum           text    home language and parents' education, or 'all'
-- n                 count   children with a known value
-- total             sum     sum of the outcome over these children
-- total_of_squares  sum     sum of its squares
WITH source_cell AS (
    SELECT outcome, ags, period, stratum, n, total, total_of_squares FROM cells.school_entry_exam
    UNION ALL
    SELECT outcome, ags, period, stratum, n, total, total_of_squares FROM cells.kita_attendance
    UNION ALL
    SELECT outcome, ags, period, stratum, n, total, total_of_squares FROM cells.education
)

SELECT
    source_cell.outcome,
    source_cell.ags,
    source_cell.period,
    source_cell.stratum,
    source_cell.n,
    source_cell.total,
    source_cell.total_of_squares
FROM source_cell
INNER JOIN plan.outcome ON plan.outcome.outcome = source_cell.outcome
