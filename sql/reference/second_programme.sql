-- One row per place named as a member of the Rhineland's own programme of 2011 to 2014 (Teilhabe ermöglichen).
--
-- key: ags
--
-- ags         id    8-digit key; a Kreis has the ending 000
-- kreis       id    5-digit key of its Kreis
-- name        text  name as in the source
-- level       text  kreisfreie_stadt, gemeinde (belongs to a Kreis) or kreis (a whole Kreis)
-- start_year  year  year in which it joined; empty: some year from 2011 to 2014
-- source      text  where the membership is stated
--
-- The Landschaftsverband Rheinland supported 39 places; the 10 that its reports name are listed, the others are unknown.
-- "Düren" is read as the town.
SELECT
    CAST(ags AS VARCHAR) AS ags,
    CAST(SUBSTR(ags, 1, 5) AS VARCHAR) AS kreis,
    CAST(name AS VARCHAR) AS name,
    CAST(level AS VARCHAR) AS level,
    CAST(start_year AS INTEGER) AS start_year,
    CAST('jugendhilfeportal.de, 13.09.2011 and 03.09.2014; lvr.de, archive_28097' AS VARCHAR) AS source
FROM (VALUES
    ('05117000', 'Mülheim an der Ruhr', 'kreisfreie_stadt', NULL),
    ('05162000', 'Rhein-Kreis Neuss', 'kreis', NULL),
    ('05166000', 'Kreis Viersen', 'kreis', 2014),
    ('05166012', 'Kempen', 'gemeinde', NULL),
    ('05334002', 'Aachen', 'gemeinde', NULL),
    ('05334032', 'Stolberg', 'gemeinde', NULL),
    ('05358008', 'Düren', 'gemeinde', NULL),
    ('05362032', 'Kerpen', 'gemeinde', NULL),
    ('05366000', 'Kreis Euskirchen', 'kreis', NULL),
    ('05378004', 'Bergisch Gladbach', 'gemeinde', NULL)
) AS t(ags, name, level, start_year)
ORDER BY ags
