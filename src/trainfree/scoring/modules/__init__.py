"""Any torch module behind the members of a candidate."""
