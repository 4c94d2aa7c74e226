-- One row per participation: a municipality or Kreis and the wave in which it joined the programme (72).
--
-- key: ags, wave
--
-- ags     id    8-digit key; a Kreis has the ending 000
-- kreis   id    5-digit key of its Kreis
-- name    text  name as in the source
-- level   text  kreisfreie_stadt, gemeinde (belongs to a Kreis) or kreis (a whole Kreis joined)
-- wave    year  2012, 2017 or 2020
-- source  text  page on which the participation is stated
-- remark  note  what is known to be unclear
--
-- The list of wave 2020 is a snapshot of municipalities that are in the succeeding programme kinderstark.
SELECT
    CAST(ags AS VARCHAR) AS ags,
    CAST(SUBSTR(ags, 1, 5) AS VARCHAR) AS kreis,
    CAST(name AS VARCHAR) AS name,
    CAST(level AS VARCHAR) AS level,
    CAST(wave AS INTEGER) AS wave,
    CAST(CASE wave
        WHEN 2012 THEN 'https://bertelsmann-stiftung.de/de/presse/pressemitteilungen/pressemitteilung/pid/kein-kind-zuruecklassen'
        WHEN 2017 THEN 'https://www.neuss.de/kein-kind-zuruecklassen ; http://presse-service.de/data.cfm/static/956004F.html'
        WHEN 2020 THEN 'https://www.kinderstark.nrw/kommunen'
    END AS VARCHAR) AS source,
    CAST(remark AS VARCHAR) AS remark
FROM (VALUES
    ('05111000', 'Düsseldorf', 'kreisfreie_stadt', 2012, NULL),
    ('05112000', 'Duisburg', 'kreisfreie_stadt', 2012, NULL),
    ('05114000', 'Krefeld', 'kreisfreie_stadt', 2017, NULL),
    ('05116000', 'Mönchengladbach', 'kreisfreie_stadt', 2012, NULL),
    ('05117000', 'Mülheim an der Ruhr', 'kreisfreie_stadt', 2017, NULL),
    ('05119000', 'Oberhausen', 'kreisfreie_stadt', 2012, NULL),
    ('05124000', 'Wuppertal', 'kreisfreie_stadt', 2012, NULL),
    ('05158026', 'Monheim am Rhein', 'gemeinde', 2017, NULL),
    ('05158036', 'Wülfrath', 'gemeinde', 2020, NULL),
    ('05162004', 'Dormagen', 'gemeinde', 2012, NULL),
    ('05162008', 'Grevenbroich', 'gemeinde', 2020, NULL),
    ('05162024', 'Neuss', 'gemeinde', 2017, NULL),
    ('05166012', 'Kempen', 'gemeinde', 2020, NULL),
    ('05170000', 'Kreis Wesel', 'kreis', 2020, 'contains Moers (2012) and Dinslaken (2017)'),
    ('05170008', 'Dinslaken', 'gemeinde', 2017, NULL),
    ('05170020', 'Kamp-Lintfort', 'gemeinde', 2020, NULL),
    ('05170024', 'Moers', 'gemeinde', 2012, NULL),
    ('05314000', 'Bonn', 'kreisfreie_stadt', 2020, NULL),
    ('05315000', 'Köln', 'kreisfreie_stadt', 2017, NULL),
    ('05316000', 'Leverkusen', 'kreisfreie_stadt', 2017, NULL),
    ('05334002', 'Aachen', 'gemeinde', 2017, 'legally equal to a kreisfreie Stadt; since 21 October 2009 in the Städteregion Aachen, whose health office examines'),
    ('05334012', 'Eschweiler', 'gemeinde', 2020, NULL),
    ('05334032', 'Stolberg', 'gemeinde', 2020, NULL),
    ('05358000', 'Kreis Düren', 'kreis', 2012, 'began 2012 in Kreuzau only; further municipalities from June 2015'),
    ('05362008', 'Bergheim', 'gemeinde', 2020, NULL),
    ('05362012', 'Brühl', 'gemeinde', 2017, NULL),
    ('05362020', 'Erftstadt', 'gemeinde', 2020, NULL),
    ('05362028', 'Hürth', 'gemeinde', 2020, NULL),
    ('05362032', 'Kerpen', 'gemeinde', 2020, NULL),
    ('05366000', 'Kreis Euskirchen', 'kreis', 2017, 'reach to be clarified: whole Kreis or only the district of its youth office'),
    ('05374012', 'Gummersbach', 'gemeinde', 2017, NULL),
    ('05374052', 'Wipperfürth', 'gemeinde', 2020, NULL),
    ('05378000', 'Rheinisch-Bergischer Kreis', 'kreis', 2017, 'all municipalities, according to the Kreis'),
    ('05378004', 'Bergisch Gladbach', 'gemeinde', 2020, NULL),
    ('05512000', 'Bottrop', 'kreisfreie_stadt', 2017, NULL),
    ('05513000', 'Gelsenkirchen', 'kreisfreie_stadt', 2012, NULL),
    ('05515000', 'Münster', 'kreisfreie_stadt', 2012, NULL),
    ('05558000', 'Kreis Coesfeld', 'kreis', 2017, 'reach to be clarified: whole Kreis or only the district of its youth office'),
    ('05562000', 'Kreis Recklinghausen', 'kreis', 2017, 'contains Gladbeck (wave 2012)'),
    ('05562014', 'Gladbeck', 'gemeinde', 2012, NULL),
    ('05566000', 'Kreis Steinfurt', 'kreis', 2017, 'district of the youth office of the Kreis (towns with an own youth office excepted)'),
    ('05566008', 'Emsdetten', 'gemeinde', 2020, NULL),
    ('05566028', 'Ibbenbüren', 'gemeinde', 2020, NULL),
    ('05566076', 'Rheine', 'gemeinde', 2020, NULL),
    ('05570000', 'Kreis Warendorf', 'kreis', 2012, 'contains Ahlen (wave 2017, own youth office)'),
    ('05570004', 'Ahlen', 'gemeinde', 2017, NULL),
    ('05711000', 'Bielefeld', 'kreisfreie_stadt', 2012, NULL),
    ('05754008', 'Gütersloh', 'gemeinde', 2020, NULL),
    ('05758000', 'Kreis Herford', 'kreis', 2017, 'reach to be clarified: whole Kreis or only the district of its youth office'),
    ('05766000', 'Kreis Lippe', 'kreis', 2017, 'reach to be clarified: whole Kreis or only the district of its youth office'),
    ('05766020', 'Detmold', 'gemeinde', 2020, NULL),
    ('05770004', 'Bad Oeynhausen', 'gemeinde', 2020, NULL),
    ('05911000', 'Bochum', 'kreisfreie_stadt', 2017, NULL),
    ('05913000', 'Dortmund', 'kreisfreie_stadt', 2012, NULL),
    ('05914000', 'Hagen', 'kreisfreie_stadt', 2020, NULL),
    ('05915000', 'Hamm', 'kreisfreie_stadt', 2012, NULL),
    ('05916000', 'Herne', 'kreisfreie_stadt', 2017, NULL),
    ('05954036', 'Witten', 'gemeinde', 2012, 'not in a later list of the municipalities of 2012; the date of a possible withdrawal is not known'),
    ('05958000', 'Hochsauerlandkreis', 'kreis', 2020, 'contains Arnsberg (2012)'),
    ('05958004', 'Arnsberg', 'gemeinde', 2012, NULL),
    ('05958044', 'Sundern', 'gemeinde', 2020, NULL),
    ('05962024', 'Iserlohn', 'gemeinde', 2020, NULL),
    ('05962040', 'Menden', 'gemeinde', 2020, NULL),
    ('05970000', 'Kreis Siegen-Wittgenstein', 'kreis', 2017, 'reach to be clarified: whole Kreis or only the district of its youth office'),
    ('05970040', 'Siegen', 'gemeinde', 2020, NULL),
    ('05974000', 'Kreis Soest', 'kreis', 2020, 'reach to be clarified: whole Kreis or only the district of its youth office'),
    ('05978000', 'Kreis Unna', 'kreis', 2012, 'reach to be clarified: whole Kreis or only the district of its youth office'),
    ('05978004', 'Bergkamen', 'gemeinde', 2020, NULL),
    ('05978020', 'Kamen', 'gemeinde', 2020, NULL),
    ('05978024', 'Lünen', 'gemeinde', 2020, NULL),
    ('05978028', 'Schwerte', 'gemeinde', 2020, NULL),
    ('05978036', 'Unna', 'gemeinde', 2020, NULL)
) AS t(ags, name, level, wave, remark)
ORDER BY 1, 2
