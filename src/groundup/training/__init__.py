"""Training: a trainer that stops and resumes at any step to the bit, and the run folder it writes."""

from groundup.training.batches import Batches, DataError, to_device
from groundup.training.checkpoint import CheckpointError, load_best
from groundup.training.command import Options, RunOptions, command_line, run
from groundup.training.distributed.export import export
from groundup.training.evaluation import classification, predict
from groundup.training.images import ImageOptions, save_classifier
from groundup.training.language import language_model
from groundup.training.objective import Objective, supervised
from groundup.training.position import NonFiniteLoss, Result
from groundup.training.runs import RunFolderError, holds_run, latest_run_dir, next_run_dir
from groundup.training.seeds import random_state, restore_random_state, seed_everything
from groundup.training.text import (
    count_pairs,
    exact_match,
    fit_length,
    next_token,
    perplexity,
    translate,
    translation,
)
from groundup.training.trainer import Trainer
from groundup.training.translations import (
    Bleu,
    Translations,
    TranslatorOptions,
    bleu,
    compare_lengths,
    look_up,
    score_translations,
)

__all__ = [
    "Trainer",
    "Result",
    "NonFiniteLoss",
    "Objective",
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
