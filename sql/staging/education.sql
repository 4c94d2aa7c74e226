-- One row per child and stage reached at school, with the outcomes of that stage.
--
-- key: pseudonym, stage
--
-- pseudonym                    id      pseudonym of the child
-- ags                          id      Gemeinde of residence, 8-digit key in today's borders
-- period                       year    entry year: calendar year in which the child entered school
-- stratum                      text    all: this source says nothing about language or education at home
-- stage                        number  3 (grade 3), 5 (grade 5) or 10 (leaving school)
-- grade_3_low                  flag    1 at the lowest level of competence in grade 3; empty at other stages
-- gymnasium                    flag    1 when in a Gymnasium in grade 5; empty at other stages
-- grade_repeated               flag    1 when a grade was repeated in primary school; empty at other stages than 5
-- leaving_without_certificate  flag    1 when leaving school without a certificate; empty at other stages than 10
SELECT
    intake.education.pseudonym,
    intake.education.ags,
    intake.education.entry_year AS period,
    'all' AS stratum,
    intake.education.stage,
    CASE
        WHEN intake.education.stage <> 3 THEN NULL
        WHEN intake.education.grade_3_level = 1 THEN 1
        WHEN intake.education.grade_3_level IS NOT NULL THEN 0
    END AS grade_3_low,
    CASE
        WHEN intake.education.stage <> 5 THEN NULL
        WHEN intake.education.grade_5_track = 'GY' THEN 1
        WHEN intake.education.grade_5_track IS NOT NULL THEN 0
    END AS gymnasium,
    CASE
        WHEN intake.education.stage <> 5 THEN NULL
        WHEN intake.education.has_repeated THEN 1
        WHEN NOT intake.education.has_repeated THEN 0
    END AS grade_repeated,
    CASE
        WHEN intake.education.stage <> 10 THEN NULL
        WHEN intake.education.certificate = 'OA' THEN 1
        WHEN intake.education.certificate IS NOT NULL THEN 0
    END AS leaving_without_certificate
FROM intake.education
INNER JOIN intake.delivery
    ON intake.delivery.delivery_id = intake.education.delivery_id AND intake.delivery.is_active
