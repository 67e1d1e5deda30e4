"""The few shapes that the pictures are made of, as SVG inside a page.

A picture takes the colour of the text around it, so it can be read on light and on dark, and the
width of the page, so it can be read on a phone.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 360
"""Of every picture, in its own units: about the pixels of a phone."""


def text(
    x: float, y: float, shown: str, *, size: float = 12, anchor: str = "start", weight: int = 400
) -> str:
    """One line of text whose baseline is at ``y``; ``anchor`` says which end is at ``x``."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
        f' font-weight="{weight}" fill="currentColor">{escape(shown)}</text>'
    )


def box(
    x: float, y: float, width: float, height: float, *, tint: float = 0.07, corner: float = 4
) -> str:
    """A box, filled with ``tint`` of the text's colour."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{corner}"'
        f' fill="currentColor" fill-opacity="{tint}" stroke="currentColor" stroke-opacity="0.6"/>'
    )


def line(path: str, *, dashed: bool = False) -> str:
    """A line along an SVG path."""
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="1.3"{dashes}/>'


def head(x: float, y: float, direction: str) -> str:
    """The head of an arrow that ends at (x, y), pointing left, right, up or down."""
    dx, dy = {"left": (7, 0), "right": (-7, 0), "up": (0, 7), "down": (0, -7)}[direction]
    ends = [(x, y), (x + dx + dy / 2, y + dy + dx / 2), (x + dx - dy / 2, y + dy - dx / 2)]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in ends)
    return f'<polygon points="{points}" fill="currentColor"/>'


def cross(x: float, y: float) -> str:
    """An x, where two things exclude each other."""
    return line(f"M{x - 4:.1f},{y - 4:.1f} l8,8 m0,-8 l-8,8")


def mark(x: float, y: float, number: int) -> str:
    """A number in a circle, which stands for a line of the legend."""
    circle = (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="9" fill="var(--color-background-primary, Canvas)"'
        ' stroke="currentColor"/>'
    )
    return circle + text(x, y + 3.6, str(number), size=10.5, anchor="middle")


def figure(
    alt: str, height: float, parts: Iterable[str], caption: str, legend: Sequence[str] = ()
) -> str:
    """The whole picture as one block of HTML: no blank line, so Markdown leaves it alone.

    ``alt`` says in words what the picture shows. ``caption`` and ``legend`` are HTML; the lines
    of the legend are numbered as the marks are.
    """
    listed = "".join(f"<li>{entry}</li>" for entry in legend)
    return "\n".join(
        [
            '<figure class="picture">',
            f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(alt)}">',
            *parts,
            "</svg>",
            f"<figcaption>{caption}{f'<ol>{listed}</ol>' if listed else ''}</figcaption>",
            "</figure>",
        ]
    )
