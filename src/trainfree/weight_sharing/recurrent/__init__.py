"""ENAS for recurrent cells: the text, the cell, its shared weights, the search, what comes of it.

Pham et al., *Efficient Neural Architecture Search via Parameter Sharing* (ICML 2018), section 2.1.
"""
