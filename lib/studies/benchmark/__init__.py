"""What sweeps and scores take, beside scikit-learn, autograd and pyDVL."""
