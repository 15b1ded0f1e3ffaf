"""Logistic and softmax heads: objective, batched solver (on the CPU or Keras's device), scikit-learn estimator."""
