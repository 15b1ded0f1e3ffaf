"""The command line: one notebook, a batch, verification, and what they say to Snakemake."""
