"""Small networks, so that tests of the engine take no time; loaded as a plugin file."""

import torch
from torch import nn

from sketchkit.registry import BACKBONES, HEADS, LOSSES, HeadOutput


@BACKBONES.register_module()
class TinyBackbone(nn.Module):
    """Two convolutions with noise between them; dropout and batch norm where asked for."""

    size_multiple = 2

    def __init__(
        self, in_channels=3, out_channels=3, width=4, dropout=0.0, norm=False, noise=True, gain=1.0, offset=0.0
    ):
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.first = nn.Conv2d(in_channels, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Conv2d(2 * width, out_channels, 3, padding=1)
        self.width, self.scale = width, float(noise)
        self.gain, self.offset = gain, offset

    def noise_shape(self, height, width):
        return (self.width, height, width)

    def encode(self, source):
        return self.dropout(self.norm(self.first(source)).relu())

    def decode(self, state, noise):
        return torch.tanh(self.gain * self.last(torch.cat([state, self.scale * noise], 1)) + self.offset)

    def forward(self, source, *, noise):
        return self.decode(self.encode(source), noise)


@HEADS.register_module()
class TinyHead(nn.Module):
    """One convolution to patch logits, and a mean over it to class logits; `sure` knows black pictures for fake."""

    def __init__(self, channels=6, classes=3, norm=False, sure=False):
        super().__init__()
        self.first = nn.Conv2d(channels, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4) if norm else nn.Identity()
        self.real = nn.Conv2d(4, 1, 1)
        self.classes = nn.Linear(4, classes)
        self.sure = sure

    def forward(self, image, source=None, label=None):
        maps = torch.nn.functional.softplus(self.norm(self.first(torch.cat([image, source], 1))))
        certainty = 100 * (image.mean((1, 2, 3)).view(-1, 1, 1, 1) + 0.9) if self.sure else 0
        return HeadOutput(self.real(maps) + certainty, self.classes(maps.mean((2, 3))), (maps,))


@LOSSES.register_module()
class FailsOnce(nn.Module):
    """The mean of the picture; not a number the `at`-th time."""

    def __init__(self, at=4):
        super().__init__()
        self.at, self.calls = at, 0

    def forward(self, fake):
        self.calls += 1
        return fake.mean() * (float("nan") if self.calls == self.at else 1.0)
