# SPDX-License-Identifier: MIT
"""The table of a report, as text."""
from lines import AGREE, DISTURBED, cases_of

NO_TIME = "no time was left"
COLUMNS = ("measure", "figure", "median", "min–max of rounds", "to raw", "to peer", "bar", "verdict", "rounds")


def number(value):
    """Four digits or so, as a reader wants them."""
    if value is None:
        return ""
    size = abs(value)
    if size and size < 0.01:
        return f"{value:.2g}"
    if value == int(value) and size < 1e6:
        return f"{value:.0f}"
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e5, "k")):
        if size >= limit:
            scale = {"G": 1e9, "M": 1e6, "k": 1e3}[unit]
            return f"{value / scale:.4g} {unit}"
    if size < 10:
        return f"{value:.3g}"
    return f"{value:.{0 if size >= 1000 else 1}f}"


def bar_text(case):
    return "" if case.bar is None else ("≥ " if case.at_least else "≤ ") + number(case.bar)


def spread_text(case):
    off = case.off()
    if off is None:
        return "once" if case.once else "unknown"
    text = "agree" if case.agrees() else f"±{off * 100:.{0 if off >= 0.1 else 1}f} %"
    return text + (", disturbed" if case.disturbed() > DISTURBED else "")


def ratio_text(ratio):
    return f"{ratio:.3f}" if ratio is not None and ratio >= 0.1 else number(ratio)


def row_of(case):
    values = case.values()
    ratio = ratio_text(case.ratio())
    over_peer = "peer" in case.params
    return (
        case.name,
        case.label,
        number(case.value),
        f"{number(min(values))}–{number(max(values))}" if len(values) > 1 else "",
        "" if over_peer else ratio,
        ratio if over_peer else "",
        bar_text(case),
        case.verdict(),
        spread_text(case),
    )


def lay_out(rows, right):
    """Rows of texts in columns; right: which are aligned to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]

    def laid_out(i, cell):
        return cell.rjust(widths[i]) if i in right else cell.ljust(widths[i])

    return ["  ".join(laid_out(i, cell) for i, cell in enumerate(row)).rstrip() for row in rows]


def summary(cases):
    """What a reader must know in any case: how many bars hold, and what the rounds do not agree on."""
    judged = [case for case in cases if case.verdict()]
    passed = [case for case in judged if case.verdict().startswith("pass")]
    open_ = [case for case in judged if case.verdict().endswith("?")]
    loose = [case for case in judged if case.off() is not None and not case.agrees()]
    once = [case for case in judged if case.off() is None and not case.once]
    text = [f"{len(passed)} of {len(judged)} bars hold"]
    if open_:
        text[0] += f", {len(open_)} undecided: rounds lie on both sides"
    if loose:
        text.append(f"rounds further than {AGREE * 100:.0f} % from their median: "
                    f"{len(loose)} of {len(judged)} figures with a bar")
    disturbed = [case for case in cases if case.disturbed() > DISTURBED]
    if disturbed:
        text.append(f"disturbed by other programs in more than {DISTURBED * 100:.0f} % of their runs: "
                    f"{len(disturbed)} of {len(cases)} figures")
    if once:
        text.append(f"one round only, so it is unknown how far another would differ: {len(once)} figures with a bar")
    return text


def problems(report, complaints):
    """What failed, was missing or was left out."""
    text = list(report.get("problems", ())) + complaints
    late = {}
    for program in report["programs"]:
        rounds_of = {}
        for run in program["runs"]:
            rounds_of.setdefault(run["status"], []).append(run["round"])
            text += [note for note in run.get("notes", ()) if note not in text]
        if list(rounds_of) == [NO_TIME]:
            text.append(f"{program['name']}: {NO_TIME} for it in any round")
        for status, rounds in rounds_of.items():
            if status == NO_TIME:
                for nth in rounds:
                    late[nth] = late.get(nth, 0) + 1
            elif status != "ok":
                word = "rounds" if len(rounds) > 1 else "round"
                text.append(f"{program['name']}, {word} {', '.join(map(str, rounds))}: {status}")
    total = len(report["programs"])
    text += [f"round {nth}: {NO_TIME} for {nr} of {total} programs" for nth, nr in sorted(late.items())]
    return text


def text_of(report):
    """The whole table, a line an element."""
    cases, complaints = cases_of(report)
    out = []
    rows = [COLUMNS] + [row_of(case) for case in cases]
    lines = lay_out(rows, right={2, 3, 4, 5, 6})
    out.append(lines[0])
    area = None
    for case, line in zip(cases, lines[1:]):
        if case.area != area:
            area = case.area
            out += ["", f"== {area}"]
        out.append(line)
    out += [""] + summary(cases)
    trouble = problems(report, complaints)
    if trouble:
        out += ["", "not all went well:"] + [f"  {line}" for line in trouble]
    return out
