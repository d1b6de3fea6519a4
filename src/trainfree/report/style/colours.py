"""Colours of figures and of the page.

Series are those of Okabe and Ito that hold on light and on dark ground. Ink, rules and ground are
colours of their own that the page replaces by its theme's, so that one SVG serves both.
"""

from __future__ import annotations

INK = "#20262e"
MUTED = "#6d747d"
RULE = "#d8dce1"
GROUND = "#fefefe"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#b58900")
