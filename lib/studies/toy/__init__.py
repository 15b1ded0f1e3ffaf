"""The toy experiment: a translation learned by influence, in the plane."""
