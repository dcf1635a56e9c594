"""One report of many timelines -> CSV and HTML, with a row for each; the JSON has all that was found.

In: what `batch.to_dict` makes. The page holds nothing but itself: no script, nothing from outside.
"""

from __future__ import annotations

import csv
import html
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from otio_avassist.adapters.report_csv import BOM

COLUMNS = (
    "timeline",
    "output",
    "state",
    "findings",
    "actions",
    "doubtful",
    "not_looked_at",
    "seconds",
    "error",
)
CSS = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3em .8em .3em 0; border-bottom: 1px solid #8884; vertical-align: top; }
.failed { color: #b00020; } small { opacity: .7; } li { margin: .2em 0; }
@media (prefers-color-scheme: dark) {
  body { background: #16181c; color: #e6e6e6; }
  .failed { color: #ff8a80; }
}
"""


def rows(held: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row a timeline, by the names of `COLUMNS`."""
    for each in held["timelines"]:
        report = each["report"] or {"findings": [], "skipped": []}
        actions = Counter(found["action"] for found in report["findings"])
        yield {
            "timeline": each["input"],
            "output": each["output"] or "",
            "state": each["state"],
            "findings": len(report["findings"]),
            "actions": ", ".join(f"{number} {action}" for action, number in actions.items()),
            "doubtful": sum(bool(found["doubts"]) for found in report["findings"]),
            "not_looked_at": len(report["skipped"]),
            "seconds": round(each["took_s"], 2),
            "error": each.get("error", ""),
        }


def to_csv(held: Mapping[str, Any]) -> str:
    """A header and the rows, for a spreadsheet."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows(held):
        # A spreadsheet computes cells that begin like a formula.
        writer.writerow({name: f"'{cell}" if str(cell)[:1] in "=+-@\t\r" and str(cell) else cell
                         for name, cell in row.items()})  # fmt: skip
    return BOM + text.getvalue()


def to_html(held: Mapping[str, Any]) -> str:
    """A page: how many of what, a table of all timelines, and what a person should look at in each."""
    counts = held["summary"]
    actions = ", ".join(f"{number} {action}" for action, number in counts["actions"].items()) or "no findings"
    head = f"{counts['timelines']} timelines, {counts['failed']} failed: {actions}"
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{_text(head)}</title><style>{CSS}</style></head><body>",
        f"<h1>{_text(head)}</h1>",
    ]
    if held["missing"]:
        parts.append(f"<h2>Missing media</h2>{_list(held['missing'])}")
    cells = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in COLUMNS)
    parts.append(f"<table><tr>{cells}</tr>")
    for row in rows(held):
        kind = ' class="failed"' if row["state"] == "failed" else ""
        cells = "".join(f"<td>{_text(str(row[name]))}</td>" for name in COLUMNS)
        parts.append(f"<tr{kind}>{cells}</tr>")
    parts.append("</table>")
    for each in held["timelines"]:
        wanted = [*_wanting(each["report"] or {}), *each.get("lost", ())]
        if wanted:
            parts.append(f"<h2>{_text(each['input'])}</h2>{_list(wanted)}")
    return "\n".join([*parts, "</body></html>\n"])


def _wanting(report: Mapping[str, Any]) -> Iterator[str]:
    """Findings of a timeline that a person should look at, in words."""
    for found in report.get("findings", ()):
        if found["doubts"] or found["action"] == "marked":
            doubts = "".join(f"; doubt: {doubt}" for doubt in found["doubts"])
            yield f"{found['clip']}: {found['words'] or found['action']}{doubts}"


def _list(lines: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{_text(each)}</li>" for each in lines) + "</ul>"


def _text(value: str) -> str:
    return html.escape(value.encode("utf-8", "replace").decode())
