"""The architecture: a plain ViT of timm, a registered name with other sizes."""
import sys

import torch


def import_timm():
    """timm imports torchvision, which finds its operators only beside the build of torch that it was made for. The
    model uses none of them, so that beside another torch it is enough to declare them."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        global declarations  # they last as long as their library
        declarations = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            declarations.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import timm
    return timm


timm = import_timm()

ARCHITECTURE = "vit_tiny_patch16_224"  # `model_args` in config.json says what differs
ARGUMENTS = {"img_size": 64, "patch_size": 4, "embed_dim": 64, "depth": 8, "num_heads": 2}
CLASSES = [str(digit) for digit in range(10)]
MEAN = STANDARD_DEVIATION = (0.5, 0.5, 0.5)


def waves(side, width):
    """[side², width]: sines and cosines of each patch's row and column, wavelengths from 6 to 54 patches."""
    rates = 10 ** -(torch.arange(width // 4) / (width // 4))
    angles = torch.arange(side)[:, None] * rates
    one = torch.cat([angles.sin(), angles.cos()], 1)
    rows, columns = one[:, None].expand(-1, side, -1), one[None].expand(side, -1, -1)
    return torch.cat([rows, columns], -1).reshape(side * side, width)


def create(patch_drop_rate=0.0):
    return timm.create_model(
        ARCHITECTURE, num_classes=len(CLASSES), patch_drop_rate=patch_drop_rate, **ARGUMENTS)
