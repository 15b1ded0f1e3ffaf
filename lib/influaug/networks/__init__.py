"""Networks that make features of images: architectures, the featurizer, training that resumes."""
