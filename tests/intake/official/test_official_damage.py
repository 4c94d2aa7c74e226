"""Files damaged at random: either the same figures come out, or fewer or other ones never come without a refusal."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kkz_eval.errors import DeliveryError
from kkz_eval.intake.official import read_official

CLASSIC = """GENESIS-Tabelle: 12612-01-01-4
Geburten: Lebendgeborene nach Geschlecht - Jahressumme -;;;;;
Lebendgeborene (Anzahl);;;;;
;;;Insgesamt;männlich;weiblich
2015;DG;Deutschland;737575;378478;359097
2015;05114;      Krefeld, Kreisfreie Stadt;2000;1000;1000
2015;05334;      Städteregion Aachen;4844;2461;2383
__________
Stand: 10.10.2017 / 12:03:08
"""
FLAT = """Statistik_Code;Statistik_Label;Zeit_Code;Zeit_Label;Zeit;1_Merkmal_Code;1_Merkmal_Label;1_Auspraegung_Code;\
1_Auspraegung_Label;FLC006__Gebietsflaeche__qkm
11111;Gebietsstand;STAG;Stichtag;31.12.2022;DLAND;Bundesländer;05;Nordrhein-Westfalen;34112,72
11111;Gebietsstand;STAG;Stichtag;31.12.2022;DLAND;Bundesländer;;Insgesamt;357595,99
"""
INKAR = """Kennziffer;Raumeinheit;Aggregat;Arbeitslosenquote;Haushaltseinkommen
;;;2017;2016
"05114000";"Krefeld, Stadt";"krsfr. Stadt";"10,4";"1.598"
"05154";"Kleve";"Landkreis";"5,5";"1.700"
"""


def _outcome(content: bytes) -> list[object] | str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.csv"
        path.write_bytes(content)
        try:
            return list(read_official(path).figures)
        except DeliveryError as refusal:
            assert str(refusal).startswith(f"{refusal.code}: damaged.csv")
            return refusal.code


@pytest.mark.parametrize("text", [CLASSIC, FLAT, INKAR], ids=["classic", "flat", "inkar"])
@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_damage_gives_figures_or_a_refusal_and_never_another_fault(text, data):
    content = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["replace", "remove", "insert"])):
            case "replace":
                content[place] = data.draw(st.integers(0, 255))
            case "remove":
                del content[place : place + data.draw(st.integers(1, 40))]
            case "insert":
                content[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        if not content:
            content = bytearray(b"x")
    _outcome(bytes(content))


@pytest.mark.parametrize("text", [CLASSIC, FLAT, INKAR], ids=["classic", "flat", "inkar"])
def test_a_cut_anywhere_gives_all_figures_or_a_refusal(text):
    content = text.encode()
    whole = _outcome(content)
    ends = {len(content[:place]) + 1 for place in range(len(content)) if content[place : place + 1] == b"\n"}
    for cut in range(len(content)):
        found = _outcome(content[:cut])
        # Layouts without a closing mark cannot show that whole lines are missing; all others must be refused.
        is_allowed = found == whole or (text is not CLASSIC and cut in ends and found == whole[: len(found)])
        assert isinstance(found, str) or is_allowed, cut
