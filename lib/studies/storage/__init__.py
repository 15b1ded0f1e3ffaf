"""Results on disk: paths, keys, artifacts, where they were made."""
