# SPDX-License-Identifier: MIT
"""Scales, axes and marks as SVG. Colours are classes, which the page's style gives their light and dark values."""
import html
import math

CHAR_WIDTH = 7.1  # of a digit or letter at the page's 12 px, rather more than less


def esc(text):
    return html.escape(str(text))


def width_of(texts):
    return max((len(str(text)) for text in texts), default=0) * CHAR_WIDTH


class Scale:
    """From values to pixels, linear or logarithmic. Values beyond the ends are put on them."""

    def __init__(self, low, high, start, end, log=False):
        if log:
            low = max(low, 1e-9)
        if high <= low:
            low, high = (low / 2, low * 2) if log else (low - 1, low + 1)
        self.low, self.high, self.start, self.end, self.log = low, high, start, end, log

    def place(self, value):
        f = math.log if self.log else float
        value = min(max(value, self.low), self.high)
        share = (f(value) - f(self.low)) / (f(self.high) - f(self.low))
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, nr=5):
        return self.log_ticks() if self.log else self.linear_ticks(nr)

    def linear_ticks(self, nr):
        raw = (self.high - self.low) / nr
        unit = 10 ** math.floor(math.log10(raw))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(i * step, 12) for i in range(first, last + 1)]

    def log_ticks(self):
        """1, 2 and 5 of each decade, or 1 alone if the decades are many."""
        low, high = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        factors = (1, 2, 5) if high - low <= 3 else (1,)
        ticks = [factor * 10.0**decade for decade in range(low, high + 1) for factor in factors]
        return [tick for tick in ticks if self.low * 0.999 <= tick <= self.high * 1.001]


def tick_text(value):
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit and (value * 10) % limit == 0:
            return f"{value / limit:g}{unit}"
    return f"{value:g}"


class Picture:
    """Elements, and what screen readers are told."""

    def __init__(self, width, height, title):
        self.width, self.height, self.title = round(width), round(height), title
        self.parts = []

    def line(self, x1, y1, x2, y2, name):
        self.parts.append(f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def box(self, x, y, width, height, name):
        size = f'width="{max(width, 0):.1f}" height="{height:.1f}"'
        self.parts.append(f'<rect class="{name}" x="{x:.1f}" y="{y:.1f}" {size}/>')

    def text(self, x, y, text, anchor="start", name=""):
        self.parts.append(f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{esc(text)}</text>')

    def path(self, points, name):
        self.parts.append(f'<polyline class="{name}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>')

    def dot(self, x, y, name, tip, radius=4):
        title = f"<title>{esc(tip)}</title>"
        self.parts.append(f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">{title}</circle>')

    def arrow(self, x, y, name, tip, left):
        """A mark for what lies beyond the end of the axis."""
        d = -7 if left else 7
        points = f"{x - d:.1f},{y - 4:.1f} {x - d:.1f},{y + 4:.1f} {x:.1f},{y:.1f}"
        self.parts.append(f'<polygon class="{name}" points="{points}"><title>{esc(tip)}</title></polygon>')

    def text_of(self):
        inside = "\n".join(self.parts)
        return (f'<svg viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}" role="img" '
                f'aria-label="{esc(self.title)}">\n{inside}\n</svg>')


def x_axis(picture, scale, top, bottom, ticks, texts, twice=False):
    """twice: the texts stand above as well, in pictures taller than a screen."""
    for tick, text in zip(ticks, texts):
        x = scale.place(tick)
        picture.line(x, top, x, bottom, "grid")
        picture.text(x, bottom + 16, text, "middle", "tick")
        if twice:
            picture.text(x, top - 6, text, "middle", "tick")


def y_axis(picture, scale, left, right, ticks):
    for tick in ticks:
        y = scale.place(tick)
        picture.line(left, y, right, y, "grid")
        picture.text(left - 6, y + 4, tick_text(tick), "end", "tick")
