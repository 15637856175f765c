"""Pieces of words: byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019), or any tokenizer.json.

The ``tokenizers`` library learns the pieces and splits text into them.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from nextword.errors import TextError, UsageError
from nextword.text.blocks import Block
from nextword.text.normalize import Normalizer
from nextword.text.tokenize import DELIMITERS, Tokenizer, one_line

PAYLOAD = "tokenizer.json"
_DELIMITER = re.compile(f"[{DELIMITERS}]")
_LINES_AT_ONCE = 1000
_CACHE_SIZE = 1 << 20
# White space as Unicode defines it, which Python's \s exceeds by U+001C to U+001F.
_BLANK = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# No piece goes on from a character into a blank: GPT-2's pattern always cuts there.
_CHUNK = re.compile(f"[{_BLANK}]*[^{_BLANK}]+|[{_BLANK}]+")
_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
