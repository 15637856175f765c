r"""ARPA files, the text format in which n-gram toolkits exchange models (Doug Paul, MIT Lincoln Laboratory).

After ``\data\`` and the number of n-grams of each order come the sections ``\1-grams:``, ``\2-grams:``, …, ``\end\``.
A line holds a log10 probability, the words and, below the highest order, a log10 back-off weight, which may be missing
where it is 0. -99 or less stands for log 0. Words end at KenLM's delimiters: NUL, tab, newline, carriage return, space.
"""

from nextword.ngram.arpa.reader import read_arpa
from nextword.ngram.arpa.writer import write_arpa

__all__ = ["read_arpa", "write_arpa"]
