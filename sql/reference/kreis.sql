-- One row per Kreis and kreisfreie Stadt of North Rhine-Westphalia (53).
--
-- key: kreis
--
-- kreis            id     5-digit key with its leading zero
-- name             text   plain name
-- kind             text   kreisfreie_stadt or kreis; the Städteregion Aachen counts as a Kreis
-- region           text   rheinland (Regierungsbezirke 1 and 3) or westfalen (5, 7 and 9)
-- population_2022  count  inhabitants on 31 December 2022
--
-- Source: official register of municipalities (GV-ISys) of the Federal Statistical Office, 30 June 2024; dl-de/by-2-0.
SELECT
    CAST(kreis AS VARCHAR) AS kreis,
    CAST(name AS VARCHAR) AS name,
    CAST(kind AS VARCHAR) AS kind,
    CAST(CASE WHEN SUBSTR(kreis, 3, 1) IN ('1', '3') THEN 'rheinland' ELSE 'westfalen' END AS VARCHAR) AS region,
    CAST(population_2022 AS INTEGER) AS population_2022
FROM (VALUES
    ('05111', 'Düsseldorf', 'kreisfreie_stadt', 629047),
    ('05112', 'Duisburg', 'kreisfreie_stadt', 502211),
    ('05113', 'Essen', 'kreisfreie_stadt', 584580),
    ('05114', 'Krefeld', 'kreisfreie_stadt', 228426),
    ('05116', 'Mönchengladbach', 'kreisfreie_stadt', 268465),
    ('05117', 'Mülheim an der Ruhr', 'kreisfreie_stadt', 172404),
    ('05119', 'Oberhausen', 'kreisfreie_stadt', 210824),
    ('05120', 'Remscheid', 'kreisfreie_stadt', 112613),
    ('05122', 'Solingen', 'kreisfreie_stadt', 160643),
    ('05124', 'Wuppertal', 'kreisfreie_stadt', 358876),
    ('05154', 'Kleve', 'kreis', 319290),
    ('05158', 'Mettmann', 'kreis', 489794),
    ('05162', 'Rhein-Kreis Neuss', 'kreis', 457264),
    ('05166', 'Viersen', 'kreis', 300882),
    ('05170', 'Wesel', 'kreis', 465838),
    ('05314', 'Bonn', 'kreisfreie_stadt', 336465),
    ('05315', 'Köln', 'kreisfreie_stadt', 1084831),
    ('05316', 'Leverkusen', 'kreisfreie_stadt', 165748),
    ('05334', 'Städteregion Aachen', 'kreis', 562559),
    ('05358', 'Düren', 'kreis', 270833),
    ('05362', 'Rhein-Erft-Kreis', 'kreis', 478126),
    ('05366', 'Euskirchen', 'kreis', 197247),
    ('05370', 'Heinsberg', 'kreis', 261833),
    ('05374', 'Oberbergischer Kreis', 'kreis', 275404),
    ('05378', 'Rheinisch-Bergischer Kreis', 'kreis', 286213),
    ('05382', 'Rhein-Sieg-Kreis', 'kreis', 608335),
    ('05512', 'Bottrop', 'kreisfreie_stadt', 118113),
    ('05513', 'Gelsenkirchen', 'kreisfreie_stadt', 263000),
    ('05515', 'Münster', 'kreisfreie_stadt', 320946),
    ('05554', 'Borken', 'kreis', 379070),
    ('05558', 'Coesfeld', 'kreis', 224692),
    ('05562', 'Recklinghausen', 'kreis', 619732),
    ('05566', 'Steinfurt', 'kreis', 456464),
    ('05570', 'Warendorf', 'kreis', 282263),
    ('05711', 'Bielefeld', 'kreisfreie_stadt', 338332),
    ('05754', 'Gütersloh', 'kreis', 371309),
    ('05758', 'Herford', 'kreis', 253551),
    ('05762', 'Höxter', 'kreis', 141819),
    ('05766', 'Lippe', 'kreis', 350588),
    ('05770', 'Minden-Lübbecke', 'kreis', 315974),
    ('05774', 'Paderborn', 'kreis', 313758),
    ('05911', 'Bochum', 'kreisfreie_stadt', 365742),
    ('05913', 'Dortmund', 'kreisfreie_stadt', 593317),
    ('05914', 'Hagen', 'kreisfreie_stadt', 189783),
    ('05915', 'Hamm', 'kreisfreie_stadt', 180849),
    ('05916', 'Herne', 'kreisfreie_stadt', 157368),
    ('05954', 'Ennepe-Ruhr-Kreis', 'kreis', 325193),
    ('05958', 'Hochsauerlandkreis', 'kreis', 261647),
    ('05962', 'Märkischer Kreis', 'kreis', 410346),
    ('05966', 'Olpe', 'kreis', 134439),
    ('05970', 'Siegen-Wittgenstein', 'kreis', 277136),
    ('05974', 'Soest', 'kreis', 306068),
    ('05978', 'Unna', 'kreis', 398866)
) AS t(kreis, name, kind, population_2022)
ORDER BY 1
