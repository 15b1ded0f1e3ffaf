"""Selection of points and copies to augment: scores, a registry of policies, greedy selection and the selector."""
