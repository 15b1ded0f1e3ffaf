"""Image data sets, their readers and downloads, transformations, other libraries' augmenters, copies made when asked for."""
