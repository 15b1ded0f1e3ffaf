"""The research project: what the notebooks call and the batch runs, built on `influaug`."""
