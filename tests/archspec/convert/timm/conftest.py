"""timm as the oracle of conversions; what needs it is skipped where it is absent."""

import pytest
from extras import need


@pytest.fixture(scope="session")
def create():
    """timm's `create_model`, which makes a network without pretrained weights."""
    return need("timm").create_model
