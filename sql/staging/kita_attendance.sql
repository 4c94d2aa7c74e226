-- One row per child and Kita year, with the outcomes of attendance.
--
-- key: pseudonym, period
--
-- pseudonym      id     pseudonym of the child
-- ags            id     Gemeinde of residence, 8-digit key in today's borders
-- period         year   Kita year: calendar year in which it begins (August)
-- stratum        text   all: this source says nothing about language or education at home
-- kita_45_hours  flag   1 when 45 hours a week are booked; children aged 3 to 5 only
-- kita_months    count  months attended in the Kita year
SELECT
    intake.kita_attendance.pseudonym,
    intake.kita_attendance.ags,
    intake.kita_attendance.kita_year AS period,
    'all' AS stratum,
    CASE
        WHEN intake.kita_attendance.age NOT BETWEEN 3 AND 5 THEN NULL
        WHEN intake.kita_attendance.booked_hours = 45 THEN 1
        WHEN intake.kita_attendance.booked_hours IS NOT NULL THEN 0
    END AS kita_45_hours,
    intake.kita_attendance.months_attended AS kita_months
FROM intake.kita_attendance
INNER JOIN intake.delivery
    ON intake.delivery.delivery_id = intake.kita_attendance.delivery_id AND intake.delivery.is_active
