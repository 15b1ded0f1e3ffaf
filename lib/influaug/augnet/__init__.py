"""Augmentation networks: transformations of images that are learned through their influence on the validation loss.

Lee et al. (2020), "Learning Augmentation Network via Influence Functions" (CVPR), and its submission to ICLR 2019,
"Learning to Augment Influential Data".
"""
