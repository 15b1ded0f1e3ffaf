"""The notebooks as a journey: in which order to read them, and the question that each answers."""

from __future__ import annotations

from ..points.study import NOTEBOOKS as STAGES

JOURNEY = {
    "Start here": {"00_index": "the story, and the way to the others"},
    "Which points (Kuchnik & Smith)": {
        "01_featurize": "how images become the matrix that everything else works on",
        "02_score": "which points matter, and does that change under augmentation",
        "03_policy_sweep": "what each further augmented point is worth, under each policy",
        "04_refinements": "do score updates and downweighting pay",
        "05_vsv": "how good is the classic choice, support vectors",
    },
    "Which copies (this project)": {
        "13_set_policies": "what set-aware selection gains, copy by copy",
        "14_why_greedy": "what greedy selection picks, how alike its picks are, and what wrong labels do",
        "17_retrained_sets": "what chosen copies are worth to a network trained anew, beside augmentation on the fly",
        "19_dear_copies": "whose copies are worth a person's click, where some are spoilt and learners do not train in "
        "epochs",
        "18_selection_at_size": "what greedy selection takes for wide heads and tens of thousands of points",
    },
    "How to augment (Lee et al.)": {
        "10_toy_influence": "can a transformation be learned by its influence, in the plane",
        "11_learned_augmentation": "what a learned augmentation is worth with few labels, arm by arm",
        "12_transformation_models": "what the networks that make copies learn to do",
    },
    "Your data": {
        "15_your_own_data": "which transformations help on your own data, and how many copies are enough",
        "16_doubtful_labels": "who finds wrong labels, beside cleanlab, and what the selector gains by leaving them "
        "out",
    },
    "Check us": {
        "20_released_code": "which difference between paper and released code brings which part of the published gain",
        "08_claims": "which of the paper's claims hold here, study by study, with intervals",
        "06_figures": "Table 1 and the tables of areas, the paper's numbers and ours",
        "07_benchmark": "how long a sweep and a score take, beside scikit-learn, autograd and pyDVL",
        "09_train_featurizer": "how the residual networks for CIFAR-10 and small NORB were trained",
    },
}
"""Parts of the journey, with the notebooks of each, by the name without ``.ipynb``, and their questions."""
MAIN = {
    "09_train_featurizer": "featurizers/cifar10-resnet20",
    "10_toy_influence": "toy/half-circles",
    "11_learned_augmentation": "learned/mnist-1pct",
    "12_transformation_models": "learned/mnist-1pct-networks",
    "13_set_policies": "sets/mnist-translate",
    "14_why_greedy": "sets/mnist-translate",
    "15_your_own_data": "own/digits",
    "16_doubtful_labels": "labels/mnist",
    "17_retrained_sets": "retrained_sets/mnist-translate",
    "19_dear_copies": "dear/mnist-translate",
    "20_released_code": "factorial/cifar10",
}
"""Run (a folder in outputs) to which links lead, for notebooks that run neither for a study nor across studies."""
MAIN_STUDY = "mnist-translate"
"""Study to whose stages links from elsewhere lead."""


def folder_of(notebook: str) -> str:
    """Folder in outputs of a notebook's page to which links lead: of its `MAIN` run, or of pages across studies."""
    if notebook in STAGES:
        return f"{MAIN_STUDY}/pages"
    return f"{MAIN[notebook]}/pages" if notebook in MAIN else "pages"
