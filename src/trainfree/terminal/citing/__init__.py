"""Which papers a run rests on, as BibTeX. The entries are in ``data/citations.bib``."""
