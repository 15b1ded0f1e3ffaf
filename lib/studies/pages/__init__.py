"""HTML pages: rendering, sanitising, formulas, the words and looks that all pages share."""
