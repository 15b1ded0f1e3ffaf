"""Commands: run one notebook, run a batch, verify a study, and the files with which they inform Snakemake."""
