"""Canaries of all stages but the learned ones, which studies/learned/test_results.py tries with what it reads again."""

import pytest

import canaries

pytestmark = pytest.mark.slow

STAGES = [stage for stage in canaries.CANARIES if stage not in canaries.LEARNED_STAGES]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_stage_computes_what_its_version_computed(stage):
    assert canaries.complaint(stage) is None
