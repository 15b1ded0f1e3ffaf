"""Where Keras or its backend is missing, one sentence says what to install."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import influaug

HIDDEN = """
import importlib.abc, sys

class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hide())
try:
    {statement}
except Exception as error:
    print(type(error).__name__, error, sep="|")
"""
NEEDED = [
    (("keras",), "", "Networks need Keras, which is not installed: install keras, and tensorflow, jax or torch."),
    (("tensorflow",), "tensorflow", "backend tensorflow, which is not installed: install tensorflow-cpu"),
    (("tensorflow",), "", "backend tensorflow, which is not installed: install tensorflow-cpu"),
    (("torch",), "torch", "backend torch, which is not installed: install torch, or let KERAS_BACKEND name another"),
    (("jax", "jaxlib"), "jax", "backend jax, which is not installed: install jax, or let KERAS_BACKEND name another"),
    ((), "theano", "KERAS_BACKEND must be one of tensorflow, jax, torch; Keras says: "),
]


@pytest.mark.parametrize(("hidden", "backend", "said"), NEEDED, ids=[f"{row[0]}-{row[1]}" for row in NEEDED])
@pytest.mark.parametrize("statement", ["import influaug.networks.featurizer"])
def test_one_sentence_says_what_to_install(hidden, backend, said, statement, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(influaug.__file__).parents[1]), "KERAS_HOME": str(tmp_path)}
    environment.pop("KERAS_BACKEND", None)
    if backend:
        environment["KERAS_BACKEND"] = backend
    program = HIDDEN.format(hidden=hidden, statement=statement)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    kind, _, message = done.stdout.strip().splitlines()[-1].partition("|")
    assert kind == "InputError" and said in message and message.endswith(".") and "\n" not in message
