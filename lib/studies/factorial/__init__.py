"""A factorial: which differences between a paper and its released code bring which part of the paper's gains."""
