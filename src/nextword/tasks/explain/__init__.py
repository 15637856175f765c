"""What a model believes and why: back-off paths, gradients, hidden units, maps of embeddings."""

from nextword.tasks.explain.explanation import Explanation, explain_text

__all__ = ["Explanation", "explain_text"]
