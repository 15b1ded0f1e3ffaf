"""Networks trained anew with chosen copies, beside augmentation on the fly, at equal numbers of updates."""
