"""Learned augmentation compared with augmentations that nobody learned."""
