# SPDX-License-Identifier: MIT
"""A report as one HTML file that needs nothing else."""
import plots
from lines import cases_of
from svg import esc
from table import COLUMNS, problems, row_of, summary

STYLE = """
:root { color-scheme: light dark; --back: #ffffff; --text: #1d2127; --dim: #5a6370; --rule: #d9dee5; --panel: #f6f8fa;
	--good: #0b7a53; --bad: #c2410c; --open: #8a6d00; --beyond: #c2410c14; --within: #0b7a531c;
	--s0: #0b62b5; --s1: #c2410c; --s2: #0b7a53; --s3: #9a3f86; --s4: #8a6d00; --s5: #0e7c90; --s6: #6b4fbb;
	--s7: #5a6370; --s8: #7a4a1e; --s9: #b0156a; }
@media (prefers-color-scheme: dark) {
:root { --back: #14171c; --text: #e4e8ee; --dim: #a0a9b6; --rule: #343b46; --panel: #1b2027;
	--good: #43d39e; --bad: #ff9361; --open: #e3c542; --beyond: #ff936120; --within: #43d39e22;
	--s0: #5db4ff; --s1: #ff9361; --s2: #43d39e; --s3: #eb9fd6; --s4: #e3c542; --s5: #5fd3e6; --s6: #b7a3f7;
	--s7: #a0a9b6; --s8: #c9a27e; --s9: #ff7ab8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 20px 60px; max-width: 1010px; background: var(--back); color: var(--text);
	font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; margin: 0 0 8px; } h2 { font-size: 20px; margin: 40px 0 4px; } h3 { font-size: 14px; margin: 0; }
p { margin: 4px 0 10px; max-width: 75ch; } .dim, figcaption p { color: var(--dim); } figcaption p { font-size: 13px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; font-size: 13px; }
dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 0; padding: 12px 14px; background: var(--panel); border: 1px solid var(--rule); border-radius: 6px;
	overflow-x: auto; }
.panels { display: grid; align-items: start; grid-template-columns: repeat(auto-fill, minmax(min(460px, 100%), 1fr)); gap: 14px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; list-style: none; margin: 4px 0; padding: 0;
	font-size: 12.5px; }
.legend li::before { content: ""; display: inline-block; width: 16px; border-top: 3px solid var(--c); margin-right: 6px;
	vertical-align: middle; }
.legend .dashed::before { border-top-style: dashed; }
svg { display: block; max-width: none; font: 12px system-ui, "DejaVu Sans", sans-serif; }
svg text { fill: var(--text); }
svg .tick { fill: var(--dim); } svg .name { fill: var(--dim); font-style: italic; } svg .area { font-weight: 700; }
.grid { stroke: var(--rule); stroke-width: 1; } .bar { stroke: var(--text); stroke-width: 1.5; }
.beyond { fill: var(--beyond); } .within { fill: var(--within); }
.mark { fill: var(--c); stroke: var(--panel); stroke-width: 1; }
.whisker { stroke: var(--c); stroke-width: 2; opacity: .55; }
.curve { fill: none; stroke: var(--c); stroke-width: 2; }
svg .bold { stroke-width: 3.5; } .span { stroke: var(--rule); stroke-width: 2; }
svg .dashed { stroke-dasharray: 6 4; }
.passed { --c: var(--good); } .failed { --c: var(--bad); } .unsure { --c: var(--open); }
.s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); } .s3 { --c: var(--s3); }
.s4 { --c: var(--s4); } .s5 { --c: var(--s5); } .s6 { --c: var(--s6); } .s7 { --c: var(--s7); }
.s8 { --c: var(--s8); } .s9 { --c: var(--s9); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 3px 10px 3px 0; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { color: var(--dim); font-weight: 600; } td.right, th.right { text-align: right; }
td.passed, td.failed, td.unsure { color: var(--c); font-weight: 600; }
tr.area td { padding-top: 14px; font-weight: 700; } .trouble { border-left: 4px solid var(--bad); padding-left: 12px; }
"""


def figure_of(figure):
    legend = "".join(f'<li class="{name}">{esc(text)}</li>' for name, text in figure.legend)
    text = f"<p>{esc(figure.text)}</p>" if figure.text else ""
    return (f"<figure><figcaption><h3>{esc(figure.title)}</h3>{text}<ul class=\"legend\">{legend}</ul></figcaption>\n"
            f"{figure.picture}</figure>")


def section(title, text, figures, panels=True):
    if not figures:
        return ""
    inside = "\n".join(map(figure_of, figures))
    if panels:
        inside = f'<div class="panels">{inside}</div>'
    return f"<h2>{esc(title)}</h2><p class=\"dim\">{esc(text)}</p>\n{inside}\n"


def verdict_class(verdict):
    return "unsure" if verdict.endswith("?") else {"pass": "passed", "short": "failed"}.get(verdict, "")


def table_of(cases):
    right = {2, 3, 4, 5, 6}
    head = "".join(f'<th class="{"right" if i in right else ""}">{esc(name)}</th>' for i, name in enumerate(COLUMNS))
    rows, area = [], None
    for case in cases:
        if case.area != area:
            area = case.area
            rows.append(f'<tr class="area"><td colspan="{len(COLUMNS)}">{esc(area)}</td></tr>')
        cells = []
        for i, cell in enumerate(row_of(case)):
            name = "right" if i in right else verdict_class(cell) if COLUMNS[i] == "verdict" else ""
            cells.append(f'<td class="{name}">{esc(cell)}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    body = "\n".join(rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def facts(report):
    machine, build = report["machine"], report["build"]
    kind = "virtual" if machine["virtual"] else "not virtual"
    done = sorted({entry["round"] for entry in report["lines"]})
    quick = ", quick" if report["quick"] else ""
    return {
        "date": report["date"],
        "machine": f"{machine['cpu']}, {machine['cpus']} CPUs ({kind}), {machine['memory_gib']} GiB, "
                   f"governor {machine['governor']}, load {machine['load']:.2f} at the start",
        "kernel": machine["kernel"],
        "commit": report["commit"],
        "compiler": f"{build['compiler']}; {build['flags']}",
        "libraries": f"{build['libc']}, liburing {build['liburing']}",
        "rounds": f"{len(done)} of {report['rounds']}{quick}, {report['seconds']:.0f} s in all",
    }


def page_of(report):
    cases, complaints = cases_of(report)
    trouble = problems(report, complaints)
    body = ["<h1>What aion costs</h1>"]
    body.append("<dl>" + "".join(f"<dt>{esc(k)}</dt><dd>{esc(v)}</dd>" for k, v in facts(report).items()) + "</dl>")
    body += [f"<p>{esc(text)}.</p>" for text in summary(cases)]
    if trouble:
        items = "".join(f"<li>{esc(text)}</li>" for text in trouble)
        body.append(f'<div class="trouble"><p>Not all went well:</p><ul>{items}</ul></div>')
    body.append(section("Bars", "A bar is what must hold on the reference machine.", plots.overview(cases), False))
    body.append(section("Awaited operations over concurrency",
                        "Nanoseconds an operation; bars from the least to the greatest round.",
                        plots.sweeps(cases, lambda bench, work: work == "in_flight")))
    body.append(section("Operations an enter",
                        "How many operations one system call hands to the kernel, over how many are in flight.",
                        plots.sweeps(cases, costs=("ops_an_enter",))))
    body.append(section("Latency",
                        "Percentiles for each side under the same load; medians of the rounds, and their range.",
                        plots.latencies(cases)))
    body.append(section("Cost over work",
                        "What one unit costs as there is more of it: tasks, timers, connections.",
                        plots.sweeps(cases, lambda bench, work: work not in ("in_flight", "threads"))))
    body.append(section("Scaling over cores",
                        "Units a second of all threads together, each with a loop (or a ring) of its own.",
                        plots.sweeps(cases, lambda bench, work: work == "threads")))
    body.append(section("Spread", "Whether another run would say the same.", plots.spread(cases), False))
    body.append('<h2>All figures</h2><p class="dim">Medians of the rounds. "To raw" and "to peer" are the ratios that '
                'the program prints: aion over the raw way, or over the best of the peers. "pass?" and "short?": rounds '
                "lie on both sides of the bar.</p>")
    body.append(table_of(cases))
    inside = "\n".join(body)
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>aion: what it costs</title><style>{STYLE}</style></head>\n<body>\n{inside}\n</body></html>\n")
