"""A table of cell texts as a great_tables object or as HTML.

What belongs here: the shape of a printable table and its mark-up. What does not: which rows it has.
"""

import re
from dataclasses import dataclass
from html import escape

import great_tables
import pandas as pd

from kkz_eval.report.locale import NOT_ESTIMABLE, SUPPRESSED


@dataclass(frozen=True, slots=True)
class Table:
    """A table ready to print: caption, column heads, rows of cell texts; the first column names the row.

    `groups`, if given, holds one group name per row. `words` lists the columns that hold text and stand on the left.
    """

    name: str
    caption: str
    heads: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    groups: tuple[str, ...] = ()
    words: tuple[int, ...] = ()

    @property
    def marks(self) -> tuple[str, ...]:
        """The marks for missing values that occur in the table and need a legend."""
        cells = {cell for row in self.body for cell in row}
        return tuple(sign for sign in (SUPPRESSED, NOT_ESTIMABLE) if sign in cells)


def great_table(table: Table) -> great_tables.GT:
    """The table as a great_tables object: first column as row names, groups as row groups."""
    heads = [f"c{i}" for i in range(len(table.heads))]
    frame = pd.DataFrame(list(table.body), columns=heads, dtype=str)
    group = None
    if table.groups:
        frame["group"] = list(table.groups)
        group = "group"
    shown = great_tables.GT(frame, rowname_col="c0", groupname_col=group, id=table.name)
    shown = shown.tab_stubhead(label=table.heads[0])
    shown = shown.cols_label(dict(zip(heads[1:], table.heads[1:], strict=True)))
    left = [heads[i] for i in table.words if i]
    right = [key for key in heads[1:] if key not in left]
    if left:
        shown = shown.cols_align("left", columns=left)
    if right:
        shown = shown.cols_align("right", columns=right)
    return shown


def table_html(table: Table) -> str:
    """The table element alone, with a caption, without the style sheet that great_tables repeats for each table."""
    whole_page = great_table(table).as_raw_html()
    found = re.search(r"<table.*?</table>", whole_page, flags=re.DOTALL)
    element = found.group(0) if found else ""
    element = re.sub(
        r"^<table[^>]*>", f'<table class="gt_table"><caption><span>{escape(table.caption)}</span></caption>', element
    )
    return re.sub(r">\s*\n\s*<", ">\n<", element)


def plain_html(table: Table) -> str:
    """The same element written directly: for the many tables behind pictures, where great_tables would take long."""

    def cells(row: tuple[str, ...]) -> str:
        return "".join(
            f'<td class="{"gt_left" if i in table.words else "gt_right"}">{escape(cell)}</td>'
            for i, cell in enumerate(row)
            if i
        )

    heads = "".join(
        f'<th scope="col" class="{"gt_left" if i in table.words or not i else "gt_right"}">{escape(head)}</th>'
        for i, head in enumerate(table.heads)
    )
    lines, group = [], ""
    for i, row in enumerate(table.body):
        if table.groups and table.groups[i] != group:
            group = table.groups[i]
            span = len(table.heads)
            lines.append(
                f'<tr><th scope="rowgroup" colspan="{span}" class="gt_group_heading">'
                f"<span>{escape(group)}</span></th></tr>"
            )
        lines.append(f'<tr><th scope="row" class="gt_stub">{escape(row[0])}</th>{cells(row)}</tr>')
    body = "\n".join(lines)
    caption = f"<caption><span>{escape(table.caption)}</span></caption>"
    return f'<table class="gt_table">{caption}<thead><tr>{heads}</tr></thead>\n<tbody>{body}</tbody></table>'
