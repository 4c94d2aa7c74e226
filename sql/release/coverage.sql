-- One row per source, unit and year: rows delivered, accepted, in quarantine, and children examined against expected.
--
-- key: source, unit, year
--
-- source          text    school_entry_exam, kita_attendance, education, or official series
-- unit            id      unit of evaluation, or 'all'
-- name            text    name of the unit
-- year            year    entry year, Kita year, school year or calendar year
-- n_files         number  files delivered; only known for all units together
-- n_delivered     count   rows delivered; empty when suppressed
-- n_accepted      count   rows accepted; empty when suppressed
-- n_quarantined   number  lines in quarantine; empty for a place with fewer than the threshold but not 0
-- n_expected      count   children expected (register of residents)
-- n_regions       number  Kreise with a figure, for an official series
-- n_regions_expected  number  Kreise there are
-- share_examined  share   accepted / expected; for an official series Kreise with a figure / Kreise
-- status          text    released, suppressed, share suppressed (few not examined), or nothing delivered
SELECT
    disclosure.coverage_cell.source,
    disclosure.coverage_cell.unit,
    reference.unit.name,
    disclosure.coverage_cell.year,
    disclosure.coverage_cell.n_files,
    disclosure.coverage_cell.n_delivered,
    disclosure.coverage_cell.n_accepted,
    disclosure.coverage_cell.n_quarantined,
    disclosure.coverage_cell.n_expected,
    disclosure.coverage_cell.n_regions,
    disclosure.coverage_cell.n_regions_expected,
    disclosure.coverage_cell.share_examined,
    disclosure.coverage_cell.status
FROM disclosure.coverage_cell
LEFT JOIN reference.unit ON reference.unit.unit = disclosure.coverage_cell.unit
