"""Choose among the readings that a recogniser or a translator proposes, with a language model's help.

files       lines of a file, and where they stand         nbest    lists of hypotheses with scores
formats     files of them: moses, json_lists              scoring  features: the lists' own scores and the model's
references  what was really said, matched with the lists  errors   word and character errors, by jiwer
tune        weights that make the fewest errors           rescore  all of them
"""

from nextword.tasks.rescore.errors import Errors, ErrorUnit, compare_errors, count_errors
from nextword.tasks.rescore.formats import read_nbest, write_nbest
from nextword.tasks.rescore.nbest import Hypothesis, NBest, NBestLists
from nextword.tasks.rescore.references import read_references
from nextword.tasks.rescore.rescore import Measured, Rescored, measure, rescore, tune_weights
from nextword.tasks.rescore.scoring import ScoredLists, Weights, score_lists

__all__ = [
    "ErrorUnit", "Errors", "Hypothesis", "Measured", "NBest", "NBestLists", "Rescored", "ScoredLists", "Weights",
    "compare_errors", "count_errors", "measure", "read_nbest", "read_references", "rescore", "score_lists",
    "tune_weights", "write_nbest",
]  # fmt: skip
