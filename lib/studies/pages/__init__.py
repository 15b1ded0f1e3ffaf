"""HTML pages: rendering, sanitising and formulas, and the words and looks that all pages share."""
