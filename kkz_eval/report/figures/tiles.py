"""The 53 districts of North Rhine-Westphalia as a grid of equal tiles, so that small cities can be seen.

What belongs here: where each district stands and its short sign (the one on number plates). What does not: colours.
"""

# Row by row from north to south; each entry is the key without the leading 05 and the sign. A dot is an empty place.
_GRID = """
.        .        .        558:COE  566:ST   .        .        758:HF   770:MI
.        .        554:BOR  562:RE   515:MS   570:WAF  754:GT   711:BI   766:LIP
154:KLE  170:WES  512:BOT  513:GE   916:HER  915:HAM  974:SO   774:PB   762:HX
114:KR   112:DU   119:OB   113:E    911:BO   913:DO   978:UN   958:HSK  .
166:VIE  111:D    117:MH   158:ME   954:EN   914:HA   962:MK   .        .
116:MG   162:NE   122:SG   124:W    120:RS   374:GM   966:OE   970:SI   .
370:HS   362:BM   315:K    316:LEV  378:GL   .        .        .        .
334:AC   358:DN   366:EU   314:BN   382:SU   .        .        .        .
"""

TILES: dict[str, tuple[int, int, str]] = {
    f"05{entry.split(':')[0]}": (column, line, entry.split(":")[1])
    for line, entries in enumerate(_GRID.strip().splitlines())
    for column, entry in enumerate(entries.split())
    if entry != "."
}
"""District key → column, row, short sign."""

COLUMNS = 1 + max(column for column, _, _ in TILES.values())
ROWS = 1 + max(line for _, line, _ in TILES.values())
