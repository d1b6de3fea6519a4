"""Network Design Spaces (Radosavovic et al., ICCV 2019): networks that were drawn and trained."""
