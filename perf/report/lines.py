# SPDX-License-Identifier: MIT
"""What the programs print, put together over rounds: one case a measurement, its figures in every round."""
import math
import statistics

AGREE = 0.05  # rounds agree if none lies further than this from their median
DISTURBED = 0.2  # a figure is disturbed if more than this share of its runs was

# Keys that are neither parameters nor figures.
NO_FIGURES = {"bench", "of", "bound", "verdict", "runs", "disturbed", "bar", "value", "min", "max"}
# Which figure stands for a line without a bar: the first of these that it has.
USUAL_FIGURES = ("ratio", "ns", "cpu_ns", "aion_ns", "value_ns", "ns_a_task", "bytes_each", "aion_bytes", "over_raw")


def params_of(line):
    """
    What names a line besides its bench: {key: value}, in the line's order. A comparison with the best of the peers is
    one measurement, whichever of them it was.
    """
    params = {key: line[key] for key in line.get("of", ()) if key in line and key != "peer"}
    if "peer" in line:
        params["peer"] = "best peer"
    return params


def name_of(line):
    """One text for what a line measures, the same in every round."""
    words = [line["bench"]]
    for key, value in params_of(line).items():
        if key == "measure" and value in ("side", "peer"):  # which other words say
            continue
        words.append(str(value) if isinstance(value, str) else f"{key}={value:g}" if value < 1e6 else f"{key}={value}")
    return " ".join(words)


def usual_figure(line):
    """The key of the figure that stands for a line without a bar."""
    for key in USUAL_FIGURES:
        if key in line:
            return key
    return next((key for key, value in line.items() if is_figure(line, key, value)), None)


def is_figure(line, key, value):
    return isinstance(value, (int, float)) and key not in NO_FIGURES and key not in line.get("of", ())


def judged_key(line):
    """Which of a line's figures the bar is for, for the reader: the one with the same number."""
    for key, value in line.items():
        if is_figure(line, key, value) and value == line.get("value"):
            return key
    return "value"


class Case:
    """One measurement: a line of every round in which it was made."""

    def __init__(self, name, program, area, line):
        self.name, self.program, self.area = name, program, area
        self.bench, self.params = line["bench"], params_of(line)
        self.lines = []
        self.once = False  # measured after the rounds, as it is the same each time
        self.label = ""  # the figure that counts, for the reader

    def series(self, key):
        return [line[key] for line in self.lines if isinstance(line.get(key), (int, float))]

    def median(self, key):
        values = self.series(key)
        return statistics.median(values) if values else None

    @property
    def last(self):
        return self.lines[-1]

    @property
    def bar(self):
        return self.last.get("bar")

    @property
    def at_least(self):
        return self.last.get("bound") == "at least"

    @property
    def key(self):
        """Where the figure that counts stands."""
        return self.over_best() or ("value" if "bar" in self.last else self.label)

    def over_best(self):
        """
        Of the ratios over several ways of doing it raw ("over_NAME"), that over the best of them in all rounds: one
        round alone takes the luckiest for the best. None if there are none.
        """
        keys = [key for key in self.last if key.startswith("over_") and key != "over_raw"]
        pick = min if self.at_least or "raw_rate" in self.last else max
        return pick(keys, key=self.median) if keys else None

    def ratio(self):
        return self.median(self.over_best() or "ratio")

    def values(self):
        return self.series(self.key) if self.key else []

    @property
    def value(self):
        return self.median(self.key) if self.key else None

    def holds(self, value):
        return value >= self.bar if self.at_least else value <= self.bar

    def off(self):
        """How far the round furthest from the median lies from it, as a share of it; None for less than two rounds."""
        values = self.values()
        if len(values) < 2:
            return None
        middle = statistics.median(values)
        far = max(abs(value - middle) for value in values)
        return 0.0 if far == 0 else far / abs(middle) if middle else math.inf

    def disturbed(self):
        """The share of a figure's runs that other programs took part in, although they were tried again."""
        runs = sum(self.series("runs"))
        return min(1.0, sum(self.series("disturbed")) / runs) if runs else 0.0

    def agrees(self):
        off = self.off()
        return off is not None and off <= AGREE + 1e-9  # the last digit is not asked

    def verdict(self):
        """
        pass or short by the median; "pass?" or "short?" where rounds lie on both sides of the bar, so that another run
        may say otherwise; "" without a bar.
        """
        if self.bar is None or self.value is None:
            return ""
        said = "pass" if self.holds(self.value) else "short"
        return said if len({self.holds(value) for value in self.values()}) == 1 else said + "?"

    def used(self, value=None):
        """How much of its bar a figure takes: 1 is the bar, less is better. None where that says nothing."""
        value = self.value if value is None else value
        if self.bar is None or value is None or self.bar == 0 or value <= 0:
            return None
        return self.bar / value if self.at_least else value / self.bar


def cases_of(report):
    """The cases of a report, in the order of its programs and lines. Also: complaints of and about lines."""
    order, cases, complaints = [], {}, []
    seen = {}
    for entry in report["lines"]:
        line, program = entry["line"], entry["program"]
        if line.get("measure") == "missing":
            complaint = f"{program}: {line.get('side')} is left out, {line.get('package')} was not there at the build"
            if complaint not in complaints:
                complaints.append(complaint)
            continue
        name = name_of(line)
        nth = seen[entry["round"], program, name] = seen.get((entry["round"], program, name), 0) + 1
        if nth > 1:
            complaint = f"{program}: more than one line is named '{name}'; perf_line_param() tells them apart"
            if complaint not in complaints:
                complaints.append(complaint)
            name = f"{name} #{nth}"
        if (program, name) not in cases:
            cases[program, name] = Case(name, program, entry["area"], line)
            order.append((program, name))
        cases[program, name].lines.append(line)
    programs = [program["name"] for program in report["programs"]]
    order.sort(key=lambda key: programs.index(key[0]))  # stable: lines stay in the order in which they came
    in_order = [cases[key] for key in order]
    once = {program["name"] for program in report["programs"] if program.get("once")}
    for case in in_order:
        case.once = case.program in once
    label(in_order)
    return in_order, complaints


def label(cases):
    """A line without a bar shows what the lines of its bench with one are judged by, if it has it."""
    judged = {}
    for case in cases:
        if case.bar is not None:
            case.label = judged_key(case.last)
            judged.setdefault(case.bench, case.label)
    for case in cases:
        if case.bar is None:
            key = judged.get(case.bench)
            case.label = key if key in case.last else usual_figure(case.last) or ""
