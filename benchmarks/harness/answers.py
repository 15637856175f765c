"""What the programs that are compared say of a text."""

import json
import re

from harness.timing import Json, Run


def first_model(output: str) -> Json:
    """The figures of the first model in ``nextword evaluate --json``."""
    figures: Json = json.loads(output)["models"][0]
    return figures


def query_summary(output: str) -> Json:
    """The perplexity in what ``query -v summary`` prints."""
    found = re.search(r"Perplexity including OOVs:\s*(\S+)", output)
    return {"perplexity": float(found[1])} if found else {}


def perplexity(run: Run) -> str:
    """The perplexity that a run found, if it looked for it."""
    value = run.answer.get("perplexity")
    return f"{value:.4f}" if value else "-"
