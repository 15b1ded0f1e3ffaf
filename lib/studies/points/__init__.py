"""Kuchnik & Smith (2019): features, scores, the policy sweep, support vectors, and their pages."""
