"""The figures, one or a few of a kind a file: each reads stored results and draws SVG and PNG.

How they look is decided in report/style.
"""
