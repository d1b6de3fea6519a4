"""Recurrent cells of other spaces, read in the encoding of ENAS as far as they fit."""
