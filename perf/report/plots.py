# SPDX-License-Identifier: MIT
"""The pictures of a report. Each function gives a list of (title, what to see, names of series, SVG), maybe empty."""
import collections
import dataclasses
import math
import statistics

import svg
from lines import AGREE
from table import bar_text, number

# Parameters that say how much work there is at once, or how much runs side by side.
WORK = ("in_flight", "tasks", "timers", "conns", "workers", "files", "capacity", "threads")
COSTS = ("aion_ns", "ns", "cpu_ns", "item_ns", "value_ns", "aion_bytes", "bytes_each", "ns_a_task", "aion_rate")
PERCENTILES = (("p50_us", "p50"), ("p99_us", "p99"), ("p999_us", "p99.9"))
ROW = 20
WIDTH = 940
PANEL_WIDTH, PANEL_HEIGHT = 450, 270


@dataclasses.dataclass
class Figure:
    title: str
    text: str
    legend: list  # (class, name)
    picture: str


@dataclasses.dataclass
class Series:
    name: str
    points: list  # (x, median, min, max)
    colour: int
    dashed: bool = False


def key_text(key):
    """The unit of a figure, for an axis."""
    for end, unit in (("_ns", "ns"), ("ns", "ns"), ("_us", "µs"), ("bytes", "bytes"), ("bytes_each", "bytes"),
                      ("_rate", "a second")):
        if key.endswith(end):
            return unit
    return key.replace("_", " ")


def point(x, case, key):
    values = case.series(key)
    return (x, statistics.median(values), min(values), max(values))


def bounds(series, log):
    low = min(p[2] for s in series for p in s.points)
    high = max(p[3] for s in series for p in s.points)
    return (low / 1.15, high * 1.15) if log else (0, high * 1.08)


def draw_series(picture, series, x_of, y):
    """Lines with dots at the medians, and bars from the least to the greatest round."""
    legend = []
    for one in series:
        colour = f"s{one.colour % 10}"
        dash = " dashed" if one.dashed else ""
        bold = " bold" if one.name.startswith("aion") and not one.dashed else ""
        legend.append((colour + dash, one.name))
        for x, _, low, high in one.points:
            picture.line(x_of(x), y.place(low), x_of(x), y.place(high), f"whisker {colour}")
        picture.path([(x_of(x), y.place(middle)) for x, middle, _, _ in one.points], f"curve {colour}{dash}{bold}")
        for x, middle, low, high in one.points:
            tip = f"{one.name}, {x}: {number(middle)} ({number(low)}–{number(high)})"
            picture.dot(x_of(x), y.place(middle), f"mark {colour}", tip, 3.5)
    return legend


def panel(title, text, series, x_name, x_values, x_texts, unit, x_log=False):
    """A chart: series over a few values of x."""
    y_log = all(p[2] > 0 for s in series for p in s.points) and (
        max(p[3] for s in series for p in s.points) / min(p[2] for s in series for p in s.points) > 12)
    low, high = bounds(series, y_log)
    left, right, top, bottom = 56, PANEL_WIDTH - 24, 26, PANEL_HEIGHT - 42
    picture = svg.Picture(PANEL_WIDTH, PANEL_HEIGHT, title)
    y = svg.Scale(low, high, bottom, top, y_log)
    x = svg.Scale(x_values[0], x_values[-1], left + 24, right - 24, x_log)
    svg.y_axis(picture, y, left, right, y.ticks())
    svg.x_axis(picture, x, top, bottom, x_values, x_texts)
    picture.text(left - 44, 14, unit + (", logarithmic" if y_log else ""), "start", "name")
    picture.text((left + right) / 2, PANEL_HEIGHT - 6, x_name, "middle", "name")
    legend = draw_series(picture, series, x.place, y)
    return Figure(title, text, legend, picture.text_of())


def overview(cases):
    """Every figure with a bar: how much of the bar it takes."""
    drawn = [case for case in cases if case.used() is not None]
    if not drawn:
        return []
    left = svg.width_of(case.name for case in drawn) + 12
    notes = {id(case): f"{number(case.value)}, bar {bar_text(case)}" for case in drawn}
    right = WIDTH - svg.width_of(notes.values()) - 12
    areas = list(dict.fromkeys(case.area for case in drawn))
    height = 30 + ROW * (len(drawn) + len(areas)) + 30
    used = [case.used() for case in drawn]
    x = svg.Scale(max(0.1, min(used + [0.5]) / 1.2), min(5, max(used + [1.6]) * 1.15), left, right, log=True)
    picture = svg.Picture(WIDTH, height, "how much of its bar each figure takes")
    picture.box(x.place(1), 22, right - x.place(1), height - 52, "beyond")
    ticks = x.ticks()
    texts = ["the bar" if tick == 1 else f"{tick:g}" for tick in ticks]
    svg.x_axis(picture, x, 22, height - 30, ticks, texts, twice=True)
    picture.line(x.place(1), 22, x.place(1), height - 30, "bar")
    y, area = 22, None
    for case in drawn:
        if case.area != area:
            area = case.area
            y += ROW
            picture.text(4, y - 4, area, "start", "area")
        y += ROW
        overview_row(picture, case, x, y - ROW / 2, left, right, notes[id(case)])
    zero = [case for case in cases if case.bar == 0]
    text = ("Left of the line holds, right of it falls short; where more is better the figure is turned over. "
            "The bars go from the least round to the greatest.")
    if zero:
        holding = sum(case.holds(case.value) for case in zero)
        text += f" Not drawn are {len(zero)} figures whose bar is 0, of which {holding} hold it."
    legend = [("passed", "holds"), ("failed", "falls short"), ("unsure", "rounds lie on both sides of the bar")]
    return [Figure("Figures and their bars", text, legend, picture.text_of())]


def overview_row(picture, case, x, y, left, right, note):
    verdict = case.verdict()
    name = "unsure" if verdict.endswith("?") else "passed" if verdict == "pass" else "failed"
    shares = [share for share in map(case.used, case.values()) if share is not None]
    picture.text(left - 10, y + 4, case.name, "end")
    picture.text(right + 10, y + 4, note, "start", "tick")
    picture.line(x.place(min(shares)), y, x.place(max(shares)), y, f"whisker {name}")
    tip = f"{case.name}: {note}, {verdict}"
    if x.low <= case.used() <= x.high:
        picture.dot(x.place(case.used()), y, f"mark {name}", tip)
    else:
        picture.arrow(x.place(case.used()), y, f"mark {name}", tip, case.used() < x.low)


def spread(cases):
    """How far the rounds of a figure lie apart."""
    counted = [case for case in cases if case.bar is not None or "ratio" in case.last]
    drawn = [case for case in counted if case.value and case.off() not in (None, math.inf)]
    if not drawn:
        return []
    limit = 0.25
    left = svg.width_of(case.name for case in drawn) + 12
    right = WIDTH - svg.width_of(["±1000 %"]) - 16
    row = 16
    top = 22
    height = top + row * len(drawn) + 40
    x = svg.Scale(-limit, limit, left, right)
    picture = svg.Picture(WIDTH, height, "rounds over their median")
    picture.box(x.place(-AGREE), top, x.place(AGREE) - x.place(-AGREE), height - top - 30, "within")
    ticks = [-0.25, -0.2, -0.15, -0.1, -0.05, 0, 0.05, 0.1, 0.15, 0.2, 0.25]
    texts = ["0" if not tick else f"{tick * 100:+.0f} %" for tick in ticks]
    svg.x_axis(picture, x, top, height - 30, ticks, texts, twice=True)
    for i, case in enumerate(drawn):
        y = top + row * (i + 0.5) + 4
        name = "passed" if case.agrees() else "unsure"
        picture.text(left - 10, y + 4, case.name, "end")
        picture.text(right + 10, y + 4, f"±{case.off() * 100:.1f} %", "start", "tick")
        for value in case.values():
            share = value / case.value - 1
            if abs(share) > limit:
                picture.arrow(x.place(share), y, f"mark {name}", f"{case.name}: {share * 100:+.0f} %", share < 0)
            else:
                picture.dot(x.place(share), y, f"mark {name}", f"{case.name}: {number(value)}", 3)
    text = (f"A dot a round, over the median of all. Rounds agree if all lie within {AGREE * 100:.0f} % (the band); "
            "where they do not, the figure says no more than its range.")
    legend = [("passed", "rounds agree"), ("unsure", "rounds do not agree")]
    return [Figure("Spread of the rounds", text, legend, picture.text_of())]


def side_order(name):
    return (0 if name.startswith("aion") else 1, name)


def known(case):
    """Which percentiles it has: (key, name) each."""
    return [(key, name) for key, name in PERCENTILES if case.series(key)]


def latencies(cases):
    """Percentiles: a chart for each load, a row for each side."""
    loads = collections.OrderedDict()
    for case in cases:
        if len(known(case)) > 1 and "side" in case.params:
            load = tuple((k, v) for k, v in case.params.items() if k not in ("side", "measure"))
            loads.setdefault((case.bench, load), []).append(case)
    figures = []
    for (bench, load), group in loads.items():
        group.sort(key=lambda case: side_order(case.params["side"]))
        figures.append(percentiles(f"{bench}: " + ", ".join(load_text(load)), group))
    return figures


def percentiles(title, group):
    sides = [case.params["side"] for case in group]
    left, right, top = svg.width_of(sides) + 16, PANEL_WIDTH - 24, 8
    bottom = top + ROW * len(group) + 4
    shown = known(group[0])
    values = [value for case in group for key, _ in shown for value in case.series(key) if value > 0]
    x = svg.Scale(min(values, default=1) / 1.3, max(values, default=1) * 1.3, left, right, log=True)
    picture = svg.Picture(PANEL_WIDTH, bottom + 42, title)
    svg.x_axis(picture, x, top, bottom, x.ticks(), [svg.tick_text(tick) for tick in x.ticks()])
    picture.text((left + right) / 2, bottom + 36, "µs, logarithmic", "middle", "name")
    for i, case in enumerate(group):
        y = top + ROW * (i + 0.5) + 2
        medians = [case.median(key) for key, _ in shown]
        picture.text(left - 10, y + 4, sides[i], "end", "area" if sides[i].startswith("aion") else "")
        picture.line(x.place(medians[0]), y, x.place(medians[-1]), y, "span")
        for colour, (key, name) in enumerate(shown):
            series = case.series(key)
            picture.line(x.place(min(series)), y, x.place(max(series)), y, f"whisker s{colour}")
            tip = f"{sides[i]}, {name}: {number(medians[colour])} µs ({number(min(series))}–{number(max(series))})"
            picture.dot(x.place(medians[colour]), y, f"mark s{colour}", tip, 4.5)
    legend = [(f"s{colour}", name) for colour, (_, name) in enumerate(shown)]
    return Figure(title, "", legend, picture.text_of())


def sweeps(cases, wanted=lambda bench, work: True, costs=COSTS):
    """Costs over the amount of work: for every bench with a parameter of WORK that takes several values."""
    groups = collections.OrderedDict()
    with_sides = {case.bench for case in cases if "side" in case.params}  # their other lines repeat what these show
    for case in cases:
        if case.bench in with_sides and "side" not in case.params:
            continue
        key = next((key for key in costs if case.series(key)), None)
        for work in WORK:
            if key and work in case.params and wanted(case.bench, work):
                name, facet = parts(case, work)
                group = groups.setdefault((case.bench, work, key, facet), collections.OrderedDict())
                group.setdefault(name, []).append(case)
    return [sweep(*group, curves) for group, curves in groups.items() if any(len(c) > 1 for c in curves.values())]


def parts(case, work):
    """The name of a case's curve, and what tells its chart from others: sides have charts of their own for the rest."""
    rest = {k: v for k, v in case.params.items() if k not in (work, "measure")}
    if "side" in rest:
        return rest["side"], tuple((k, v) for k, v in rest.items() if k != "side")
    name = ", ".join(v for v in rest.values() if isinstance(v, str))
    return name, tuple((k, v) for k, v in rest.items() if not isinstance(v, str))


def load_text(params):
    return [value if isinstance(value, str) else f"{key} {number(value)}" for key, value in params]


def sweep(bench, work, key, facet, curves):
    curves = {name: sorted(group, key=lambda c: c.params[work]) for name, group in curves.items() if len(group) > 1}
    raw_key = key.replace("aion_", "raw_")
    both = [case for group in curves.values() for case in group if case.series(raw_key) and case.series("ratio")]
    ratios = [case.median("ratio") for case in both]
    with_raw = raw_key != key and len(curves) <= 3 and bool(ratios) and 1 / 3 < statistics.median(ratios) < 3
    series = []
    for i, (name, group) in enumerate(sorted(curves.items(), key=lambda item: side_order(item[0]))):
        label = f"aion {name}".strip() if with_raw else name or "aion"
        series.append(Series(label, [point(case.params[work], case, key) for case in group], i))
        if with_raw:
            raw = [point(case.params[work], case, raw_key) for case in group if case.series(raw_key)]
            if raw:
                series.append(Series(f"raw {name}".strip(), raw, i if len(curves) > 1 else 1, True))
    values = sorted({p[0] for one in series for p in one.points})
    title = ", ".join([f"{bench} over {work.replace('_', ' ')}"] + load_text(facet))
    x_log = values[0] > 0 and values[-1] / values[0] > 4
    texts = [svg.tick_text(value) for value in values]
    return panel(title, "", series, work.replace("_", " "), values, texts, key_text(key), x_log)
