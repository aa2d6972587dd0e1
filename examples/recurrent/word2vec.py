"""Word2Vec learns vectors of words from their neighbours: `python examples/recurrent/word2vec.py`.

The text is the Python language reference; --data shakespeare trains on plays, --data PATH on your own text file.
"""

from dataclasses import dataclass

from groundup.autoencoders import Word2Vec
from groundup.data import Vocabulary, WordContexts, keep_probability, load_text, words
from groundup.optimizers import AdaGrad, LR_CosineDecayScheduler
from groundup.plots import word_map
from groundup.tools.text import save_vectors
from groundup.training import RunOptions, Trainer, command_line, fit_length, run

import torch

PYTHON = """int float, list tuple, try except, for while, true false, class instance, import module, global nonlocal,
left right, lower upper, positive negative, async await, keyword positional, key value, mutable immutable,
break continue, bytes str, raise exception, if else, dict mapping, first last, start stop, local global"""
PLAYS = """thou thee, my your, king queen, lord lady, father mother, son daughter, brother sister, day night, hath doth,
heaven earth, life death, come go, romeo juliet, love hate, sweet gentle"""
# data: (epochs, pairs of related words, words whose neighbours are printed, expected share of the pairs in %)
RECIPES = {
    "python": (20, PYTHON, "list,try,true,left,global,class", "80-87"),
    "shakespeare": (20, PLAYS, "king,father,thou,love,death,romeo", "60-70"),
}


@dataclass
class Config(RunOptions):
    data: str = "python"  # python, shakespeare, or the path of your own text file
    ask: str = ""  # words whose neighbours are printed, as "list,try"; by default those of the data
    mode: str = "skipgram"  # or cbow
    output: str = "negative_sampling"  # or hierarchical_softmax
    dim: int = 64
    window: int = 5
    min_count: int = 5  # rarer words are left out
    threshold: float = 1e-3  # more frequent words are subsampled; 1e-5 for a billion words
    epochs: int = 0  # 0: chosen by the data
    batch_size: int = 1024
    lr: float = 0.3


def main() -> None:
    config, run_dir = command_line(Config, "word2vec", __doc__)

    # Data: words with their neighbours, sampled again in every epoch.
    epochs, pairs, ask, expected = RECIPES.get(config.data, (5, "", "", "not measured"))
    text = words(load_text(config.data))
    vocab = Vocabulary.of(text, config.min_count)
    asked = vocab.index((config.ask or ask or ",".join(vocab.words[100:106] or vocab.words[:6])).split(","))
    print(vocab)
    tokens, keep = vocab.encode(text), keep_probability(vocab.counts, config.threshold)
    batch_size, epochs = fit_length(len(tokens), config.batch_size, config.epochs, epochs, least_steps=1000)
    batches = WordContexts(tokens, batch_size, config.mode, config.window, keep, config.seed)

    # Model: with a large vocabulary only the words of the batch get a gradient.
    model = Word2Vec(len(vocab), config.dim, config.mode, config.output, vocab.counts, sparse=len(vocab) > 20_000)

    # Train. The metric: how many words have the other word of their pair among their ten nearest neighbours.
    known = [pair for pair in map(str.split, pairs.split(",")) if pair and set(pair) <= set(vocab.words)]
    a, b = (vocab.index([pair[side] for pair in known]) for side in (0, 1))

    def related(model: Word2Vec) -> dict[str, float]:
        found = model.most_similar(torch.cat([a, b]), 10)[1] == torch.cat([b, a])[:, None]
        return {"related": 100 * found.any(1).float().mean().item()}

    total, optimizer = epochs * len(batches), AdaGrad(model.parameters(), lr=config.lr)
    result = Trainer(
        *(model, optimizer, lambda model, batch: (model.loss(*batch, reduction="sum"), len(batch[1])), batches),
        run_dir=run_dir,
        evaluate=related if known else None,
        scheduler=LR_CosineDecayScheduler(optimizer, total // 20, total - total // 20),
        steps=5 if config.smoke else total,
        config=config.settings(),
        seed=config.seed,
        monitor="related",
    ).fit(resume=config.resume)

    # Print neighbours, and draw a map.
    for word, near in zip(vocab.decode(asked), model.most_similar(asked, min(6, len(vocab) - 1))[1]):
        print(f"{word:>12}   {', '.join(vocab.decode(near))}")
    shown = [i for i, word in enumerate(vocab.words) if len(word) > 2][40:220] or list(range(len(vocab)))
    word_map(model.weight[shown], vocab.decode(shown), run_dir / "words.png", f"{config.data}: words by context")
    command = save_vectors(run_dir / "model", vocab.words, model.weight, vocab.decode(asked)[0])
    share = f"{result.final['related']:.1f} %" if known else "no pairs are known"
    print(f"""
related words {share} among the ten nearest · expected {"anything, after 5 steps" if config.smoke else expected}
pictures      {run_dir}/words.png (a map of the words), {run_dir}/curves.png (training)
the model     src/groundup/autoencoders/word2vec.py · Mikolov et al. 2013, arXiv:1310.4546, sections 2 and 2.2
another word  {command}
more          python examples/recurrent/word2vec.py --resume | --data shakespeare | --data PATH --ask word,word""")


if __name__ == "__main__":
    run(main)
