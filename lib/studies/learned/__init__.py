"""Comparisons of learned augmentation with augmentations that are fixed by hand."""
