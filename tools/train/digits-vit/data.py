"""scikit-learn's digits: the split, the pictures, and the changes that training images undergo.

The 1,797 images of 8×8 pixels (ink 0 to 16) are split once: 500 are held out, chosen by scikit-learn's stratified
`train_test_split` with random state 0, in the order of the data set. No training step and no choice of a setting
sees them.

A picture of 8×8 RGB pixels is made from an image by two colours: `paper + (ink / 16) · (pen - paper)`, rounded. What
the network sees is timm's own preparation of that picture: Pillow's bicubic resize to 64×64, then (value - mean) /
deviation.
"""
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from vit import ARGUMENTS, MEAN, STANDARD_DEVIATION

HELD_OUT = 500
SIDE = ARGUMENTS["img_size"]


def split():
    """(ink [1797, 8, 8] uint8, labels [1797], indices of the training images, of the held-out ones)."""
    digits = load_digits()
    ink = digits.images.astype(np.uint8)
    assert ink.shape == (1797, 8, 8) and ink.max() == 16
    train, held_out = train_test_split(
        np.arange(len(ink)), test_size=HELD_OUT, random_state=0, stratify=digits.target)
    return ink, digits.target.astype(np.int64), np.sort(train), np.sort(held_out)


def colours(generator, count):
    """Light pens on dark papers, both [count, 3] in 0 ... 255."""
    return generator.integers(150, 256, (count, 3)), generator.integers(0, 90, (count, 3))


def pictures(ink, seed):
    """[count, 8, 8, 3] uint8: each image in colours of its own."""
    pen, paper = (c[:, None, None] for c in colours(np.random.default_rng(seed), len(ink)))
    return np.round(paper + (ink[..., None] / 16) * (pen - paper)).astype(np.uint8)


def enlarged(picture):
    """An 8×8 picture as Pillow's bicubic resize makes it, 64×64 uint8."""
    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def prepared(picture_batch):
    """[count, 8, 8, 3] uint8 to what the network sees, [count, 3, 64, 64] float32."""
    values = torch.from_numpy(np.stack([enlarged(picture) for picture in picture_batch]))
    return normalised(values.permute(0, 3, 1, 2).float() / 255)


def normalised(values):
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (MEAN, STANDARD_DEVIATION))
    return (values - mean) / deviation


def enlarged_ink(ink):
    """[count, 1, 64, 64] in 0 ... 1: the training images before they are changed and coloured."""
    return torch.from_numpy(np.stack([enlarged(np.round(i * (255 / 16)).astype(np.uint8)) for i in ink]))[:, None] / 255


def changed(ink, generator):
    """A batch for training, [count, 3, 64, 64], from enlarged ink: moved, turned, scaled, sheared and bent a little,
    with bolder or finer strokes, blurred or not, in colours, with noise."""
    count = len(ink)

    def uniform(low, high, *shape):
        return torch.rand(count, *shape, generator=generator) * (high - low) + low

    angle, shear = uniform(-0.2, 0.2), uniform(-0.15, 0.15)
    wide, high = uniform(0.9, 1.15), uniform(0.9, 1.15)
    cos, sin = torch.cos(angle), torch.sin(angle)
    matrix = torch.stack([
        torch.stack([wide * cos, wide * (shear * cos - sin), uniform(-0.12, 0.12)], -1),
        torch.stack([high * sin, high * (shear * sin + cos), uniform(-0.12, 0.12)], -1)], 1)
    grid = F.affine_grid(matrix, ink.shape, align_corners=False)
    bend = F.interpolate(uniform(-0.06, 0.06, 2, 4, 4), size=(SIDE, SIDE), mode="bicubic")
    ink = F.grid_sample(ink, grid + bend.permute(0, 2, 3, 1), mode="bilinear", align_corners=False)
    ink = ink.clamp(0, 1) ** torch.exp(uniform(-0.4, 0.4, 1, 1, 1))
    blurred = F.avg_pool2d(ink, 5, stride=1, padding=2, count_include_pad=False)
    ink = torch.lerp(ink, blurred, uniform(-0.3, 1, 1, 1, 1).clamp(0))
    pen, paper = uniform(140, 256, 3, 1, 1) / 255, uniform(0, 100, 3, 1, 1) / 255
    values = paper + ink * (pen - paper)
    values = values + uniform(0, 0.06, 1, 1, 1) * torch.randn(values.shape, generator=generator)
    return normalised(values.clamp(0, 1))
