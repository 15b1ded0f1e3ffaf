"""Sets of single copies: policies compared at equal numbers of added copies."""
