"""Words of `kkz-eval horizon` in both languages.

What belongs here: wording. What does not: numbers, rules and layout (planning.py).
"""

from collections.abc import Mapping

from kkz_eval.report.meta import Language

_DE = {
    "basis_assumed": "Vor der Auswertung gerechnet: Die Streuung ist angenommen, nicht gemessen.",
    "basis_cells": "Vor der Auswertung gerechnet: Die Streuung stammt aus Werten vor dem Programm.",
    "basis_study": "Aus der Auswertung dieser Studie: Die Streuung stammt aus Werten ohne Programm.",
    "wave": "Welle {wave} ({n} Orte)",
    "first_exposed": "erster Jahrgang mit Zeit im Programm: {when}",
    "first_full": "erster Jahrgang mit der vollen Zeit: {when}",
    "period_year": "{kind} {period} (gemessen {year})",
    "period_entry_year": "Einschulung",
    "period_calendar_year": "Kalenderjahr",
    "period_kita_year": "Kita-Jahr",
    "none_in_table": "keiner im betrachteten Zeitraum",
    "no_table": "Keine Tabelle",
    "column_year": "gemessen",
    "column_period": "Jahrgang",
    "column_longest": "Jahre im Programm (längste)",
    "column_mde": "kleinster erkennbarer Effekt ({unit})",
    "column_chance": "gefunden bis dahin",
    "column_mark": "",
    "mark_projected": "voraus",
    "mark_extrapolated": "über die gemessenen Abstände hinaus",
    "mark_none": "nicht zu berechnen",
    "unit_share": "Prozentpunkte",
    "unit_points": "Punkte",
    "unit_cm": "cm",
    "unit_kg/m2": "kg/m²",
    "unit_months": "Monate",
    "of_share": "{size} Prozentpunkten",
    "of_points": "{size} Punkten",
    "of_cm": "{size} cm",
    "of_kg/m2": "{size} kg/m²",
    "of_months": "{size} Monaten",
    "no_effect_asked": "Der Plan nennt keine Größe, die man wissen will (effect_worth_knowing); sie lässt sich mit "
    "--effect angeben.",
    "detectable": "Ab {year} lässt sich ein Effekt der vollen Zeit von {effect} vom Zufall unterscheiden: "
    "Ein Test allein in diesem Jahr findet ihn mit {power}.",
    "never": "Ein Effekt der vollen Zeit von {effect} lässt sich in keinem Jahr bis {last} vom Zufall unterscheiden.",
    "no_looks": "Der Plan sieht keine jährlichen Zwischenauswertungen vor ([looks]); darum steht hier keine "
    "Wahrscheinlichkeit, ihn bis zu einem Jahr zu finden.",
    "no_look_has_data": "In die Jahre der Zwischenauswertungen ({first} bis {last}) fällt keine Messung mit Zeit im "
    "Programm.",
    "looks_found": "Mit den jährlichen Zwischenauswertungen ({first} bis {last}) ist er bis {year} mit mindestens "
    "{power} gefunden.",
    "looks_never": "Mit den jährlichen Zwischenauswertungen ({first} bis {last}) wird er bis zur letzten mit weniger "
    "als {power} gefunden.",
    "test": "Kleinster erkennbarer Effekt: zweiseitiger Test allein in diesem Jahr, Irrtum {alpha}, gefunden mit "
    "{power}; gemeint ist der Effekt der vollen Zeit im Programm.",
    "look_alpha": "Gefunden bis dahin: Alle Zwischenauswertungen dieses Merkmals teilen sich einen Irrtum von "
    "{alpha}; darum kommt diese Wahrscheinlichkeit später.",
    "assumed": "Angenommen: Schwankung eines Ortes von Jahr zu Jahr {sd}, davon im nächsten Jahr noch da "
    "{correlation}; bleibendes Auseinanderlaufen je Jahr {drift} ({unit}).",
    "assumed_kreis": "Angenommen: gemeinsame Schwankung der Orte eines Kreises {kreis_sd} ({unit}), im nächsten Jahr "
    "noch da {kreis_correlation}.",
    "assumed_no_kreis": "Angenommen: keine gemeinsame Schwankung der Orte eines Kreises; gibt es sie, sind die "
    "erkennbaren Effekte größer.",
    "children_given": "Angenommen: {children_per_cell} Kinder je Ort und Jahr",
    "children_of_places": "Angenommen: je Ort und Jahr ein Geburtsjahrgang, die Kinder unter 6 am 31.12.2015 geteilt "
    "durch 6 (zusammen {children})",
    "spread_level": "Anteil mit dem Merkmal {level}",
    "spread_child_sd": "Streuung zwischen den Kindern {child_sd} ({unit})",
    "cells": "Gemessen: {cells_used} von {cells_given} Werten aus {places} Orten vor dem Programm, {first_period} bis "
    "{last_period}; Abstände bis {longest_lag} Jahre.",
    "cells_known": "Die Streuung zwischen den Kindern ist herausgerechnet und für spätere Jahre nach ihrer Zahl wieder "
    "angesetzt.",
    "cells_unknown": "Zahlen oder Streuung der Kinder sind nicht bekannt: Schwankung der Orte und Zufall der "
    "untersuchten Kinder sind zusammen geschätzt.",
    "error": "Die gemessene Streuung ist selbst ungenau: Der kleinste erkennbare Effekt von {year} ({size}) hat einen "
    "Standardfehler von {error}.",
    "no_variation": "In den Werten ist keine Schwankung der Orte über den Zufall der untersuchten Kinder hinaus zu "
    "sehen; die Größen beruhen auf der Zahl der Kinder allein.",
    "study": "Gemessen: die Werte ohne Programm bis {last_period}; spätere Jahre sind vorausgerechnet.",
    "dose": "Jedes Jahr im Programm zählt gleich viel; erkennbare Effekte früher Jahre sind hochgerechnet.",
    "everywhere": "Jeder Ort misst in jedem Jahr, das der Plan nicht ausschließt; verglichen wird wie im ersten "
    "Vergleich des Plans, ohne Ausgleich nach Zusammensetzung der Kinder.",
    "measured": "Verglichen wird wie im ersten Vergleich des Plans.",
    "extrapolated": "Über die gemessenen Abstände hinaus: Das Auseinanderlaufen der Orte ist über mehr Jahre "
    "fortgeschrieben, als gemessen sind.",
    "the assumptions are for shares; give sd, drift and child sd in the unit of this outcome and name it": "Die "
    "Annahmen gelten für Anteile; für dieses Merkmal eigene angeben (--outcome, --assume-sd, --assume-drift, "
    "--child-sd).",
    "no cohort has a dose that counts by this year": "Bis zu manchem Jahr hat kein Jahrgang genug Zeit im Programm.",
    "rests on one treated cluster: no standard error": "Nur ein Kreis mit Programm.",
    "numbers of children are unknown: drift and sampling are estimated together": "Zahlen der Kinder sind unbekannt: "
    "Schwankung der Orte und Zufall der untersuchten Kinder sind zusammen geschätzt.",
    "the outcome is rare: all cells share one variance per child": "Das Merkmal ist selten: Alle Werte teilen sich "
    "eine Streuung je Kind.",
}
_EN = {
    "basis_assumed": "Computed ahead of the evaluation: the variation is assumed, not measured.",
    "basis_cells": "Computed ahead of the evaluation: the variation comes from values before the programme.",
    "basis_study": "From the evaluation of this study: the variation comes from values without the programme.",
    "wave": "Wave {wave} ({n} places)",
    "first_exposed": "first cohort with time under the programme: {when}",
    "first_full": "first cohort with the full time: {when}",
    "period_year": "{kind} {period} (measured in {year})",
    "period_entry_year": "school entry",
    "period_calendar_year": "calendar year",
    "period_kita_year": "Kita year",
    "none_in_table": "none in the years looked at",
    "no_table": "No table",
    "column_year": "measured",
    "column_period": "cohort",
    "column_longest": "years under programme (longest)",
    "column_mde": "smallest effect found ({unit})",
    "column_chance": "found by then",
    "column_mark": "",
    "mark_projected": "ahead",
    "mark_extrapolated": "beyond the lags measured",
    "mark_none": "cannot be computed",
    "unit_share": "percentage points",
    "unit_points": "points",
    "unit_cm": "cm",
    "unit_kg/m2": "kg/m²",
    "unit_months": "months",
    "of_share": "{size} percentage points",
    "of_points": "{size} points",
    "of_cm": "{size} cm",
    "of_kg/m2": "{size} kg/m²",
    "of_months": "{size} months",
    "no_effect_asked": "The plan names no size worth knowing (effect_worth_knowing); give one with --effect.",
    "detectable": "From {year} on, an effect of the full time of {effect} can be told from chance: a single "
    "test in that year finds it with {power}.",
    "never": "An effect of the full time of {effect} can be told from chance in no year up to {last}.",
    "no_looks": "The plan foresees no yearly looks ([looks]); so there is no probability of having found it by a year.",
    "no_look_has_data": "No measurement with time under the programme falls into the years of the looks ({first} to "
    "{last}).",
    "looks_found": "With the yearly looks ({first} to {last}) it has been found by {year} with at least {power}.",
    "looks_never": "With the yearly looks ({first} to {last}) it is found by the last one with less than {power}.",
    "test": "Smallest effect found: two-sided test in that year alone, error {alpha}, found with {power}; it is the "
    "effect of the full time under the programme.",
    "look_alpha": "Found by then: all looks at this outcome share an error of {alpha}; so this probability "
    "comes later.",
    "assumed": "Assumed: variation of a place from year to year {sd}, of which {correlation} is still there a year "
    "later; lasting drift apart per year {drift} ({unit}).",
    "assumed_kreis": "Assumed: variation shared by the places of a Kreis {kreis_sd} ({unit}), of which "
    "{kreis_correlation} is still there a year later.",
    "assumed_no_kreis": "Assumed: no variation shared by the places of a Kreis; if there is some, only larger effects "
    "are found.",
    "children_given": "Assumed: {children_per_cell} children per place and year",
    "children_of_places": "Assumed: one year of birth per place and year, its children under 6 at the end of 2015 "
    "divided by 6 (together {children})",
    "spread_level": "share with the outcome {level}",
    "spread_child_sd": "standard deviation between children {child_sd} ({unit})",
    "cells": "Measured: {cells_used} of {cells_given} values from {places} places before the programme, {first_period} "
    "to {last_period}; lags up to {longest_lag} years.",
    "cells_known": "The variation between children is taken out, and put back for later years by their number.",
    "cells_unknown": "Numbers or spread of children are unknown: variation of places and chance of the children "
    "examined are estimated together.",
    "error": "The measured variation is itself inexact: the smallest effect of {year} ({size}) has a standard error of "
    "{error}.",
    "no_variation": "The values show no variation of places beyond the chance of the children examined; the sizes rest "
    "on the number of children alone.",
    "study": "Measured: the values without the programme up to {last_period}; later years are computed ahead.",
    "dose": "Each year under the programme counts the same; effects of early years are scaled up.",
    "everywhere": "Every place measures in every year that the plan does not exclude; compared as in the plan's first "
    "comparison, without adjusting for the composition of the children.",
    "measured": "Compared as in the plan's first comparison.",
    "extrapolated": "Beyond the lags measured: the drift of places is continued over more years than are measured.",
}
WORDS: Mapping[Language, Mapping[str, str]] = {"de": _DE, "en": _EN}
