"""The front page: what was found, with its numbers, and the way to every page."""
