"""Wrong labels: who finds them, and what they do to the choice of copies."""
