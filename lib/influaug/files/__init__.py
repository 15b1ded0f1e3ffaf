"""Files that are written whole or not at all, and limits and checks of files from outside."""
