import pytest
import torch


@pytest.fixture
def double(monkeypatch):
    """Everything in float64, what is cast to float32 by name included: then rounding has no say in a comparison."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
