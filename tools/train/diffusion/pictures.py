"""Pictures of one or two digits, their captions, and a reader that says what stands in a picture.

A scene has a paper and one or two figures, each with a digit, a pen, a size and a place. `caption` writes it by a
small grammar, `draw` draws it, 64×64 pixels, and `read` looks at a picture and says which scene it shows, so that
what a model draws can be compared with what it was asked for.

The digits are strokes, written down here: no font and no data set.
"""
import hashlib
from typing import NamedTuple

import numpy as np

SIDE = 64
PENS = {
    "red": (220, 25, 25), "green": (20, 150, 45), "blue": (25, 60, 225), "orange": (250, 130, 0),
    "purple": (140, 35, 175), "black": (0, 0, 0), "white": (255, 255, 255)}
PAPERS = {"white": (255, 255, 255), "black": (0, 0, 0), "yellow": (255, 225, 60), "grey": (165, 165, 165)}
SIZES = {"small": 25, "": 41}  # the height of the strokes' box in pixels; "": no word
PLACES = {"left": 16.5, "middle": 32.0, "right": 47.5}  # the middle of a figure, in pixels from the left
SMALLEST_CONTRAST = 110  # between a pen and the paper, Euclidean in RGB
SMALLEST_HEIGHT = 6  # of what is read as a digit, in pixels
HELD_OUT_SHARE = 0.03


class Figure(NamedTuple):
    digit: int
    pen: str
    size: str
    place: str


class Scene(NamedTuple):
    paper: str
    figures: tuple  # of Figure, from left to right


def allowed_pens(paper):
    return [pen for pen, colour in PENS.items()
            if np.linalg.norm(np.subtract(colour, PAPERS[paper])) > SMALLEST_CONTRAST]


def random_scene(generator):
    paper = str(generator.choice(list(PAPERS)))
    places = ["left", "right"] if generator.random() < 0.6 else [str(generator.choice(list(PLACES)))]
    pens = allowed_pens(paper)
    return Scene(paper, tuple(
        Figure(int(generator.integers(10)), str(generator.choice(pens)), str(generator.choice(list(SIZES))), place)
        for place in places))


def phrase(figure):
    words = " ".join(word for word in (figure.size, figure.pen, str(figure.digit)) if word)
    where = "in the middle" if figure.place == "middle" else f"on the {figure.place}"
    return f"{'an' if words[0] == 'o' else 'a'} {words} {where}"


def caption(scene, reverse=False, long_form=False):
    """`a red 7 on the left and a small blue 3 on the right, white background`; in the long form `on a white
    background`."""
    figures = scene.figures[::-1] if reverse else scene.figures
    paper = f"on a {scene.paper} background" if long_form else f"{scene.paper} background"
    return " and ".join(phrase(figure) for figure in figures) + ", " + paper


def is_held_out(scene):
    """By a hash of the scene, so that no wording of a held-out scene is trained on."""
    digest = hashlib.sha256(caption(scene).encode()).digest()
    return int.from_bytes(digest[:4], "little") < HELD_OUT_SHARE * 2**32


def scenes(generator, count, held_out=False):
    found = []
    while len(found) < count:
        scene = random_scene(generator)
        if is_held_out(scene) == held_out:
            found.append(scene)
    return found


# Strokes in a box 0.6 wide and 1 high, y downwards.

def arc(x, y, across, down, start, end, points=14):
    angles = np.radians(np.linspace(start, end, points))
    return [(x + across * np.cos(a), y + down * np.sin(a)) for a in angles]


def curve(first, control, last, points=9):
    return [tuple((1 - t) ** 2 * np.array(first) + 2 * t * (1 - t) * np.array(control) + t * t * np.array(last))
            for t in np.linspace(0, 1, points)]


SIX = [arc(0.30, 0.67, 0.22, 0.25, 0, 360, 18), curve((0.45, 0.08), (0.12, 0.26), (0.08, 0.67))]
STROKES = {
    0: [arc(0.30, 0.50, 0.22, 0.42, 0, 360, 22)],
    1: [[(0.13, 0.25), (0.33, 0.08), (0.33, 0.92)]],
    2: [arc(0.30, 0.30, 0.21, 0.22, 190, 400) + [(0.08, 0.92), (0.53, 0.92)]],
    3: [arc(0.28, 0.29, 0.20, 0.21, 200, 450), arc(0.28, 0.71, 0.23, 0.21, 270, 520)],
    4: [[(0.40, 0.92), (0.40, 0.08), (0.06, 0.66), (0.55, 0.66)]],
    5: [[(0.50, 0.08), (0.14, 0.08)] + arc(0.28, 0.65, 0.24, 0.27, 225, 500)],
    6: SIX,
    7: [[(0.07, 0.08), (0.53, 0.08), (0.22, 0.92)]],
    8: [arc(0.30, 0.29, 0.19, 0.21, 0, 360, 18), arc(0.30, 0.71, 0.23, 0.21, 0, 360, 18)],
    9: [[(0.60 - x, 1 - y) for x, y in line] for line in SIX]}
SEGMENTS = {
    digit: np.array([pair for line in lines for pair in zip(line[:-1], line[1:])]) for digit, lines in STROKES.items()}


def coverage(digit, x, y, height, slant=0.0, half_width=0.075):
    """Ink in 0 ... 1, [64, 64] float32, of a digit whose box has its middle at (x, y) and this height in pixels.
    `half_width` of a stroke is a share of the height."""
    segments = (SEGMENTS[digit] - (0.3, 0.5)) * height
    segments[..., 0] -= slant * segments[..., 1]
    reach = height * (half_width + 0.5) + 2
    rows = slice(max(0, int(y - reach)), min(SIDE, int(y + reach) + 1))
    columns = slice(max(0, int(x - reach)), min(SIDE, int(x + reach) + 1))
    grid = np.stack(np.meshgrid(np.arange(columns.start, columns.stop) + 0.5 - x,
                                np.arange(rows.start, rows.stop) + 0.5 - y), -1)[:, :, None]  # [rows, columns, 1, 2]
    start, along = segments[:, 0], segments[:, 1] - segments[:, 0]
    share = (((grid - start) * along).sum(-1) / (along * along).sum(-1)).clip(0, 1)
    distance = np.sqrt((((grid - start) - share[..., None] * along) ** 2).sum(-1)).min(-1)
    ink = np.zeros((SIDE, SIDE), np.float32)
    ink[rows, columns] = (0.5 + height * half_width - distance).clip(0, 1)
    return ink


def draw(scene, generator=None):
    """[64, 64, 3] uint8. With a generator the figures stand, slant and shine a little differently each time."""
    def vary(amount):
        return generator.uniform(-amount, amount) if generator is not None else 0.0

    def colour(name, table):
        return np.clip(np.array(table[name], np.float32) + [vary(10), vary(10), vary(10)], 0, 255)

    picture = np.broadcast_to(colour(scene.paper, PAPERS), (SIDE, SIDE, 3)).astype(np.float32)
    for figure in scene.figures:
        height = SIZES[figure.size] * (1 + vary(0.05))
        ink = coverage(figure.digit, PLACES[figure.place] + vary(1), 32 + vary(2), height, vary(0.06),
                       0.075 * (1 + vary(0.12)))[..., None]
        picture = picture + ink * (colour(figure.pen, PENS) - picture)
    return np.round(picture).astype(np.uint8)


# Reading.

def nearest(colour, table, names=None):
    return min(names or table, key=lambda name: np.linalg.norm(np.subtract(colour, table[name])))


def read_digit(ink):
    """The digit whose drawing, fitted to the ink's box, overlaps best, and the box's height in pixels."""
    ys, xs = np.nonzero(ink > 0.5)
    top, bottom, left, right = ys.min(), ys.max() + 1, xs.min(), xs.max() + 1
    height = (bottom - top) / (0.84 + 2 * 0.075)

    def overlap(digit, slant):
        drawn = coverage(digit, 32, 32, height, slant)
        columns = np.nonzero((drawn > 0.5).any(0))[0]
        shift = (columns.min() + columns.max() + 1) / 2 - 32  # the digit's ink may stand beside its box's middle
        drawn = coverage(digit, (left + right) / 2 - shift, (top + bottom) / 2, height, slant)
        return np.minimum(ink, drawn).sum() / np.maximum(ink, drawn).sum()

    upright = sorted(range(10), key=lambda digit: overlap(digit, 0), reverse=True)
    return max(upright[:3], key=lambda digit: max(overlap(digit, slant) for slant in (-0.08, 0, 0.08))), height


def read(picture):
    """The scene in a picture [64, 64, 3] uint8, or None where there is no figure. The paper is the border's median
    colour; ink is what lies further from it than half of the least contrast; a figure is what stands left or right
    of the middle column, or one across it."""
    picture = picture.astype(np.float32)
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    paper = np.median(border, axis=0)
    distance = np.linalg.norm(picture - paper, axis=-1)
    name = nearest(paper, PAPERS)
    inked = distance > SMALLEST_CONTRAST / 2
    inked[[0, -1]] = False
    columns = inked.any(0)
    if not columns.any():
        return None
    gap = [c for c in range(27, 38) if not columns[c]]
    halves = [slice(0, SIDE)]
    if gap and columns[:gap[0]].any() and columns[gap[0]:].any():
        halves = [slice(0, gap[0]), slice(gap[0], SIDE)]
    figures = []
    for half in halves:
        ink = np.zeros((SIDE, SIDE), np.float32)
        mask = np.zeros((SIDE, SIDE), bool)
        mask[:, half] = inked[:, half]
        if mask.sum() < 12:
            continue
        strongest = np.sort(distance[mask])[-max(6, mask.sum() // 3):].mean()
        pen = np.median(picture[mask & (distance > 0.7 * strongest)], axis=0)
        ink[:, half] = ((picture[:, half] - paper) @ (pen - paper) / max(1.0, np.sum((pen - paper) ** 2))).clip(0, 1)
        ink[~mask] = 0
        if (ink > 0.5).any(1).sum() < SMALLEST_HEIGHT:
            continue
        digit, height = read_digit(ink)
        box = np.nonzero(ink.max(0) > 0.5)[0]
        middle = (box.min() + box.max() + 1) / 2
        figures.append(Figure(
            digit, nearest(pen, PENS, allowed_pens(name)), min(SIZES, key=lambda size: abs(SIZES[size] - height)),
            min(PLACES, key=lambda place: abs(PLACES[place] - middle))))
    return Scene(name, tuple(figures)) if figures else None
