-- One row per sub-test of SOPESS, the screening used in the school entry exam from entry year 2010.
--
-- key: subtest
--
-- subtest           text    column of the contract of school_entry_exam
-- maximum           points  highest possible number of points; the lowest is 0
-- flagged_up_to     points  0 up to this number is flagged (auffaellig)
-- borderline_up_to  points  above flagged up to this number is borderline (grenzwertig); above it is unflagged
-- unknown_code      points  this value is no number of points but means unknown
--
-- Source: cut-offs as used by the school-entry module of GA-Lotse.
SELECT
    CAST(subtest AS VARCHAR) AS subtest,
    CAST(maximum AS INTEGER) AS maximum,
    CAST(flagged_up_to AS INTEGER) AS flagged_up_to,
    CAST(borderline_up_to AS INTEGER) AS borderline_up_to,
    CAST(unknown_code AS INTEGER) AS unknown_code
FROM (VALUES
    ('attention_points', 29, 10, 13, 99),
    ('counting_points', 20, 12, 16, 99),
    ('quantity_points', 16, 10, 13, 99),
    ('visuomotor_points', 12, 4, 6, 99),
    ('perception_points', 15, 8, 10, 99),
    ('preposition_points', 8, 4, 5, 9),
    ('plural_points', 7, 3, 5, 9),
    ('pseudoword_points', 6, 3, 4, 9),
    ('coordination_points', 30, 6, 8, 99)
) AS t(subtest, maximum, flagged_up_to, borderline_up_to, unknown_code)
ORDER BY 1
