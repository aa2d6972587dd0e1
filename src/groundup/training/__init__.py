"""Training: a trainer that stops and resumes at any step, to the bit, and the run folder that it writes.

Read step.py for the training step, objectives.py for what is minimised, trainer.py for the rest.
"""

from groundup.training.batches import Batches, DataError, to_device
from groundup.training.checkpoint import export, load_best
from groundup.training.checkpoint_files import CheckpointError
from groundup.training.command_line import Options, RunOptions, command_line, run
from groundup.training.evaluation import classification, count_pairs, perplexity, predict
from groundup.training.images import ImageOptions, save_classifier
from groundup.training.objectives import Objective, language_model, make_objective, next_token, supervised, translation
from groundup.training.run_folder import RunFolderError, holds_run, latest_run_dir, next_run_dir
from groundup.training.seeds import random_state, restore_random_state, seed_everything
from groundup.training.state import NonFiniteLoss, Result
from groundup.training.trainer import Trainer
from groundup.training.translations import (
    Bleu,
    Translations,
    TranslatorOptions,
    bleu,
    compare_lengths,
    exact_match,
    fit_length,
    look_up,
    score_translations,
    translate,
)

__all__ = [
    "Trainer",
    "Result",
    "NonFiniteLoss",
    "Objective",
    "make_objective",
    "supervised",
    "next_token",
    "language_model",
    "classification",
    "ImageOptions",
    "save_classifier",
    "predict",
    "translation",
    "perplexity",
    "fit_length",
    "count_pairs",
    "translate",
    "exact_match",
    "bleu",
    "Bleu",
    "Translations",
    "TranslatorOptions",
    "score_translations",
    "compare_lengths",
    "look_up",
    "Options",
    "RunOptions",
    "command_line",
    "run",
    "Batches",
    "DataError",
    "to_device",
    "load_best",
    "export",
    "CheckpointError",
    "next_run_dir",
    "latest_run_dir",
    "holds_run",
    "RunFolderError",
    "seed_everything",
    "random_state",
    "restore_random_state",
]
