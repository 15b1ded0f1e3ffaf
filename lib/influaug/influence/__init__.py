"""Influence of training points and copies on their own loss and on validation loss, with the Hessians that it needs."""
