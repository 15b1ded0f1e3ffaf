"""Influence of training points and copies: on themselves, on validation points; inverse products; Hessians."""
