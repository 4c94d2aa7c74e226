-- One row per key that was replaced since 2008: the only ones of North Rhine-Westphalia are those around Aachen.
--
-- key: old_key
--
-- old_key     id    key before the reform: 8 digits for a Gemeinde, 5 for a Kreis
-- new_key     id    key since then
-- name        text  name of the Gemeinde or Kreis
-- level       text  gemeinde or kreis
-- valid_from  date  first day of the new key
--
-- Source: law on the Städteregion Aachen of 26 February 2008; official register of municipalities (GV-ISys).
-- The new Kreis 05334 is larger than the old 05354: it also holds the city of Aachen, until then the Kreis 05313.
SELECT
    CAST(old_key AS VARCHAR) AS old_key,
    CAST(new_key AS VARCHAR) AS new_key,
    CAST(name AS VARCHAR) AS name,
    CAST(CASE WHEN LENGTH(old_key) = 5 THEN 'kreis' ELSE 'gemeinde' END AS VARCHAR) AS level,
    CAST('2009-10-21' AS DATE) AS valid_from
FROM (VALUES
    ('05313000', '05334002', 'Aachen'),
    ('05354', '05334', 'Kreis Aachen / Städteregion Aachen'),
    ('05354004', '05334004', 'Alsdorf'),
    ('05354008', '05334008', 'Baesweiler'),
    ('05354012', '05334012', 'Eschweiler'),
    ('05354016', '05334016', 'Herzogenrath'),
    ('05354020', '05334020', 'Monschau'),
    ('05354024', '05334024', 'Roetgen'),
    ('05354028', '05334028', 'Simmerath'),
    ('05354032', '05334032', 'Stolberg (Rhld.)'),
    ('05354036', '05334036', 'Würselen')
) AS t(old_key, new_key, name)
ORDER BY 1, 2
