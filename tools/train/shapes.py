"""The shapes of the shipped language models, by name."""
from experts import DeepSeekConfiguration, MixtralConfiguration
from model import Configuration

SHAPES = {
    "target": Configuration(192, 512, 10, 3, 1),
    "draft": Configuration(128, 320, 1, 2, 1),
    "mixtral": MixtralConfiguration(128, 96, 4, 2, 1),
    "deepseek": DeepSeekConfiguration(128, 256, 4, 4, 4),
}
PAIR = ["target", "draft"]
MIXTURES = ["mixtral", "deepseek"]
