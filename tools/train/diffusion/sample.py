"""The pipeline around the trained parts, and how far pictures agree with their captions."""
import numpy as np
from diffusers import PNDMScheduler, StableDiffusionPipeline

from pictures import read

ASPECTS = ("paper", "places", "pens", "sizes", "digits", "all")


def make_scheduler():
    """Stable Diffusion's published settings, but for the prediction."""
    return PNDMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        prediction_type="v_prediction", set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1)


def pipeline(vae, text_encoder, tokenizer, unet):
    found = StableDiffusionPipeline(
        vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=make_scheduler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    found.set_progress_bar_config(disable=True)
    return found


def agreement(scenes, pictures):
    """Shares of the captions' words that the pictures show, by aspect: the paper and whether figures stand where they
    should, of all captions; pen, size and digit, of all figures; and the captions of which all is right."""
    right = {aspect: [] for aspect in ASPECTS}
    for scene, picture in zip(scenes, pictures):
        found = read(picture)
        figures = {figure.place: figure for figure in found.figures} if found else {}
        right["paper"].append(found is not None and found.paper == scene.paper)
        right["places"].append(set(figures) == {figure.place for figure in scene.figures})
        right["all"].append(found == scene)
        for figure in scene.figures:
            other = figures.get(figure.place)
            for aspect in ("pen", "size", "digit"):
                right[aspect + "s"].append(other is not None and getattr(other, aspect) == getattr(figure, aspect))
    return {aspect: float(np.mean(values)) for aspect, values in right.items()}


def table(shares):
    return " ".join(f"{aspect} {share:.1%}" for aspect, share in shares.items())
