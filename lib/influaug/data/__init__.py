"""Image data sets and their readers, transformations, other libraries' augmenters, and copies made when asked for."""
