"""Logistic and softmax heads: the objective, the batched solver on CPU and on Keras's device, a scikit-learn estimator."""
