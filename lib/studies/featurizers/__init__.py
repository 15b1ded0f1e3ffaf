"""Training of the networks whose features studies use."""
