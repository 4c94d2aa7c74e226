-- One row per Gemeinde and entry year: children expected at the exam.
--
-- key: ags, period
--
-- ags         id     Gemeinde, 8-digit key in today's borders
-- period      year   entry year: calendar year in which the children enter school
-- n_children  count  children of school age registered
SELECT
    intake.registered_children.ags,
    intake.registered_children.entry_year AS period,
    intake.registered_children.n_children
FROM intake.registered_children
INNER JOIN intake.delivery
    ON intake.delivery.delivery_id = intake.registered_children.delivery_id AND intake.delivery.is_active
