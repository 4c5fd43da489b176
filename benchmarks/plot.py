"""One picture of the most telling rows: bars, as SVG, written by hand so that nothing need be installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.results import Scores

_PANELS = (
    ("submit", "per second", "Submit one by one, per second"),
    ("drain", "per second", "Drain, one worker, per second"),
    ("drain", "worker CPU µs", "Worker CPU of a task, µs (less is better)"),
    ("drain-results", "per second", "Drain with results, per second"),
    ("latency", "p50 ms", "Submit to start, median, ms (less is better)"),
    ("trip", "p50 ms", "Submit to result, median, ms (less is better)"),
)
_WIDTH, _LABEL, _BAR, _GAP, _HEAD = 460, 80, 16, 5, 34


def write(path: Path, scores: Scores, who: Sequence[str]) -> bool:
    """Draw what there is of the panels; False if there is nothing."""
    panels = []
    for case, figure, title in _PANELS:
        values = [(name, spread.median) for name in who if (spread := scores.spread(case, name, figure))]
        if len(values) > 1:
            panels.append(_panel(title, values))
    if not panels:
        return False
    height = max(tall for _, tall in panels)
    rows = (len(panels) + 1) // 2
    drawn = []
    for n, (panel, _) in enumerate(panels):
        drawn.append(f'<g transform="translate({n % 2 * _WIDTH},{n // 2 * height})">{panel}</g>')
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * _WIDTH} {rows * height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
        + "".join(drawn)
        + "</svg>\n",
        encoding="utf-8",
    )
    return True


def _panel(title: str, values: Sequence[tuple[str, float]]) -> tuple[str, int]:
    most = max(value for _, value in values)
    room = _WIDTH - _LABEL - 80
    parts = [f'<text x="{_LABEL}" y="20" font-weight="bold" fill="#222">{escape(title)}</text>']
    for n, (name, value) in enumerate(values):
        top = _HEAD + n * (_BAR + _GAP)
        width = max(1.0, value / most * room)
        colour = "#d9480f" if name == "Alsek" else "#8a94a6"
        shown = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
        parts += [
            f'<text x="{_LABEL - 6}" y="{top + 12}" text-anchor="end" fill="#222">{escape(name)}</text>',
            f'<rect x="{_LABEL}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>',
            f'<text x="{_LABEL + width + 5:.1f}" y="{top + 12}" fill="#222">{shown}</text>',
        ]
    return "".join(parts), _HEAD + len(values) * (_BAR + _GAP) + 16
