"""The papers' tables: published numbers, the measured ones beside them, and verdicts.

One table a file; the printed tables are described in reports/published.
"""
