"""What to augment: scores, one registry of policies of points and of copies, greedy selection, and the selector."""
