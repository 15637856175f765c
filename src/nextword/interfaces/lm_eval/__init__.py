"""Every model in EleutherAI's evaluation harness, lm_eval, and tasks for it that need no download.

    python -m nextword.interfaces.lm_eval --model_args directory=wiki5 --tasks nextword_text --metadata text=test.txt
    python -m nextword.interfaces.lm_eval --model_args directory=wiki5 --tasks nextword_pairs --metadata pairs=pairs.tsv

This is lm_eval's own command line, with all its options, which knows the model ``nextword`` (used unless ``--model``
names another) and the tasks ``nextword_text``, ``nextword_lines`` and ``nextword_pairs``. In a program, importing this
package registers the model. It needs lm_eval, and is the only one that does.
"""

try:
    import lm_eval.models  # noqa: F401  # the harness looks for its own models only while it knows of none
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "nextword.interfaces.lm_eval is for EleutherAI's evaluation harness, which is not installed; install it with: "
        "pip install 'lm_eval[api]'",
        name=error.name,
    ) from error

from pathlib import Path

from nextword.interfaces.lm_eval.model import NextwordLM

TASKS = Path(__file__).parent / "tasks"

__all__ = ["TASKS", "NextwordLM"]
