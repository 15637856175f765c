"""Correct spelling by the noisy channel: the word that was meant is likely in its place, and likely to be typed so.

edits       how one word becomes another, edit by edit    channel     P(typed | meant), from pairs or usual figures
confusions  sets of words that are taken for each other   candidates  which words could have been meant
written     words among capitals and punctuation          correct     the likeliest line, by a beam search
"""

from nextword.tasks.spelling.candidates import Candidates
from nextword.tasks.spelling.channel import Channel
from nextword.tasks.spelling.confusions import Confusions, read_confusions, read_pairs
from nextword.tasks.spelling.correct import Corrector, Settings

__all__ = ["Candidates", "Channel", "Confusions", "Corrector", "Settings", "read_confusions", "read_pairs"]
