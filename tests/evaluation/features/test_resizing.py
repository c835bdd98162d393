"""The three resizings against the libraries whose scores they reproduce."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from sketchkit.errors import ConfigError
from sketchkit.evaluation.features.resizing import MODES, resize

# Height, width and the size asked for: up, down, both, one pixel, the same, far down (lines are left out).
SIZES = [
    (64, 64, 299),
    (512, 512, 299),
    (31, 500, 299),
    (1, 1, 299),
    (1, 7, 5),
    (299, 299, 299),
    (1201, 877, 299),
    (40, 30, (17, 50)),
    (6, 9, 1),
]


def picture(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(height * 1000 + width)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


def pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


@pytest.mark.parametrize(("height", "width", "size"), SIZES)
def test_tf_is_torch_fidelitys_to_the_bit(height: int, width: int, size: int | tuple[int, int]) -> None:
    image = picture(height, width)
    expected = interpolate_bilinear_2d_like_tensorflow1x(image[None].float(), pair(size), align_corners=False)[0]
    seen = resize(image, size, "tf")
    assert seen.dtype == torch.float32 and torch.equal(seen, expected)


@pytest.mark.parametrize(("height", "width", "size"), SIZES)
def test_pytorch_is_pytorch_fids(height: int, width: int, size: int | tuple[int, int]) -> None:
    image = picture(height, width)
    expected = F.interpolate(image[None] / 255, pair(size), mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(resize(image, size, "pytorch") / 255, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("height", "width", "size"), SIZES)
def test_clean_is_clean_fids(height: int, width: int, size: int | tuple[int, int]) -> None:
    cleanfid = pytest.importorskip("cleanfid.resize", reason="needs the package clean-fid")
    image = picture(height, width)
    resizer = cleanfid.make_resizer("PIL", False, "bicubic", pair(size)[::-1])  # width first
    expected = resizer(image.permute(1, 2, 0).numpy())
    np.testing.assert_array_equal(resize(image, size, "clean").permute(1, 2, 0).numpy(), expected)


@pytest.mark.parametrize(("height", "width", "size"), SIZES)
def test_clean_is_antialiased_bicubic(height: int, width: int, size: int | tuple[int, int]) -> None:
    # PyTorch's, written after Pillow's: another implementation of the same filter, off by its rounding.
    image = picture(height, width)
    expected = F.interpolate(image[None].float(), pair(size), mode="bicubic", antialias=True, align_corners=False)[0]
    torch.testing.assert_close(resize(image, size, "clean"), expected.clamp(0, 255), rtol=0, atol=1e-2)


def test_tf_by_hand() -> None:
    # Two pixels on four places: at 0, 1/2, 1 and 3/2, where nothing is left to look at.
    line = torch.tensor([10, 20], dtype=torch.uint8).expand(3, 1, 2)
    assert resize(line, (1, 4), "tf")[0].tolist() == [[10, 15, 20, 20]]


@pytest.mark.parametrize("mode", MODES)
def test_a_view_of_an_array_is_resized_alike(mode: str) -> None:
    # As pictures come from an image reader: channels last in memory, or cut out of a larger one.
    image = picture(40, 30)
    turned = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert torch.equal(resize(turned, 23, mode), resize(image, 23, mode))
    assert torch.equal(resize(image[:, 3:20, 5:], 23, mode), resize(image[:, 3:20, 5:].clone(), 23, mode))


def test_the_modes_differ() -> None:
    image = picture(64, 48)
    tf, pytorch, clean = (resize(image, 299, mode) for mode in MODES)
    assert min((tf - pytorch).abs().mean(), (tf - clean).abs().mean(), (pytorch - clean).abs().mean()) > 1


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="resize='cleen' is not a choice: did you mean 'clean'"):
        resize(picture(4, 4), 299, "cleen")
