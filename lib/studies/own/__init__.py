"""The page on your own data: which copies it needs, and how many are enough."""
