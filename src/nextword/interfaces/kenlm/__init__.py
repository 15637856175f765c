r"""A drop-in for KenLM's Python module: ``import nextword.interfaces.kenlm as kenlm``.

``Model(path)`` opens directories of ours, ARPA files (plain, gzip, Zstandard) and KenLM's binary files (probing, with
rest costs too, and all four tries), whatever their names. Names, arguments, results and exceptions are those of kenlm
0.3.0, and so are the numbers, to the last bit: log10, float32 sums in the same order. ``install()`` lets libraries that
import ``kenlm`` themselves, such as pyctcdecode, use this module.

>>> import nextword, tempfile
>>> lm = nextword.train(nextword.Corpus.from_text("a rose is a rose\n" * 2), order=2, smoothing="witten-bell")
>>> with tempfile.TemporaryDirectory() as folder:
...     lm.save(folder)
...     model = Model(folder)
>>> model.order, "rose" in model, "daisy" in model, round(model.score("a rose"), 4)
(2, True, False, -0.588)

Words. ``score`` and ``full_scores`` split a sentence where KenLM's module does, at spaces, tabs, newlines, vertical
tabs, form feeds and carriage returns. Files of text are split at NUL, tab, newline, carriage return and space, by lmplz
and ``query`` as by nextword: a word of the vocabulary with a vertical tab in it is out of ``score``'s reach. ``score``
of a whole sentence ends at a NUL, and so does every single word. ``<s>`` and ``</s>`` within a sentence are words like
others, as in KenLM. A directory's own normaliser and tokenizer are left aside: what is given is taken as it is.

States. A state keeps only the words that can matter to what follows, so that hypotheses with equal states can be
recombined, and two states are equal exactly where KenLM's are. They can be compared, hashed and copied.

Beyond KenLM: models of order 1 and above 6, and quantised ones; ``deepcopy`` and pickles of states; ``Model.scores``
(many sentences, several threads), ``Model.vocabulary``, ``Model.log_probs`` and ``Model.next`` (the next word's
distribution); one state object as both arguments of ``BaseScore``; paths of ``pathlib``; compressed ARPA files.
Training is ``nextword.train(...).save(directory)``.

Otherwise than KenLM: nothing is written to standard error while a file is read (``show_progress`` and ``arpa_complain``
have no effect); ``load_method`` is for binary files, a directory is always mapped; a state and something else are
unequal, where KenLM raises or crashes; an ARPA file that lacks a context of one of its n-grams is completed, which
KenLM refuses.
"""

import sys

from nextword.interfaces.kenlm.model import LanguageModel, Model
from nextword.interfaces.kenlm.state import ARPALoadComplain, Config, FullScoreReturn, LoadMethod, State

__all__ = [
    "ARPALoadComplain",
    "Config",
    "FullScoreReturn",
    "LanguageModel",
    "LoadMethod",
    "Model",
    "State",
    "install",
]


def install() -> None:
    """Let ``import kenlm`` give this module from now on, in this process; do so before what imports it is imported."""
    sys.modules["kenlm"] = sys.modules[__name__]
