"""A bag of words and a classical classifier, both scikit-learn's: the baselines that anything newer has to beat."""

from typing import Any, ClassVar, Literal, get_args

import numpy as np

from nextword.errors import EstimationError, UsageError
from nextword.tasks.classify.base import Examples, TextClassifier
from nextword.tasks.classify.fitted import Fitted, Linear, Trees, fitted_from_arrays
from nextword.tasks.classify.terms import choose_terms, count_matrix, terms
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import NAMES, make_tokenizer
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Json

Features = Literal["counts", "tfidf", "lda"]
Model = Literal["logistic", "naive-bayes", "svm", "tree", "forest"]
_TOKENIZERS = tuple(name for name in NAMES if name != "bpe")
_CS = {"logistic": 4.0, "svm": 0.5}  # measured on SST-2's development set
_ITERATIONS = 10_000  # far more than either solver needs on text: to stop early would be an error in the figures


class BowClassifier(TextClassifier):
    """Bag-of-words features, in which the order of words is lost, and one of scikit-learn's classifiers.

    features: counts; tfidf, counts weighted by rarity (Spärck Jones 1972) and of unit length; lda, the shares of
    ``topics`` latent topics (Blei, Ng and Jordan 2003). ngrams: runs of up to so many words are terms too. presence:
    count a term once a text, which suits sentiment (Pang, Lee and Vaithyanathan 2002).

    model: logistic regression; naive-bayes, multinomial (McCallum and Nigam 1998), with ``alpha`` added to each count;
    svm, linear (Joachims 1998); a decision tree, or a forest of ``trees`` (Breiman 2001). C: the inverse of the
    penalty of logistic regression (4 unless given) and of the support vector machine (0.5). The latter has margins,
    no probabilities: ``predict_proba`` gives their softmax, which ranks as they do but is not calibrated.

    tokenizer: whitespace, word, char or byte. min_count: texts that a term must occur in. max_terms: the commonest are
    kept. seed: of topics, trees and solvers. threads: of a forest's training.
    """

    kind: ClassVar[str] = "classify-bow"
    fitted_: Fitted

    def __init__(
        self,
        *,
        features: Features = "tfidf",
        model: Model = "logistic",
        ngrams: int = 1,
        presence: bool = False,
        tokenizer: str = "word",
        lowercase: bool = True,
        min_count: int = 1,
        max_terms: int | None = None,
        topics: int = 50,
        C: float | None = None,
        alpha: float = 1.0,
        trees: int = 200,
        max_depth: int | None = None,
        seed: int = 0,
        threads: int = 1,
    ):
        self.features, self.model = features, model
        self.ngrams, self.presence, self.tokenizer, self.lowercase = ngrams, presence, tokenizer, lowercase
        self.min_count, self.max_terms, self.topics = min_count, max_terms, topics
        self.C, self.alpha, self.trees, self.max_depth = C, alpha, trees, max_depth
        self.seed, self.threads = seed, threads

    def _check_options(self) -> None:
        for name, given, known in (
            ("features", self.features, get_args(Features)),
            ("model", self.model, get_args(Model)),
            ("tokenizer", self.tokenizer, _TOKENIZERS),
        ):
            if given not in known:
                raise UsageError(f"unknown {name} {given!r}; choose one of {', '.join(known)}")
        for name in ("ngrams", "min_count", "max_terms", "topics", "trees", "max_depth", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}; it must be 1 or more")
        for name in ("C", "alpha"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"{name} is {value}; it must be above 0")

    def _fit(self, known: Examples, valid: Examples | None, run: Json) -> None:
        bags = self._bags(known.texts)
        chosen = choose_terms(bags, min_count=self.min_count, most=self.max_terms)
        if not chosen:
            raise EstimationError(
                f"no term occurs in {self.min_count} of the {len(bags):,} texts; lower min_count, or give more text"
            )
        self.vocabulary_ = Vocabulary.from_words(chosen, unk=None, bos=None, eos=None)
        self._index()
        counts = count_matrix(bags, self._columns, presence=self.presence)
        self._weigher = self._new_weigher()
        vectors = counts if self._weigher is None else self._weigher.fit(counts).transform(counts)
        model = self._new_model().fit(vectors, known.targets)
        self.fitted_ = Trees.of(model) if self.model in ("tree", "forest") else Linear.of(model)

    def feature_vectors(self, texts: list[str]) -> Any:
        """What the classifier sees of texts, (N, F): sparse, or topic shares; a term unseen in training is left out."""
        counts = count_matrix(self._bags(texts), self._columns, presence=self.presence)
        return counts if self._weigher is None else self._weigher.transform(counts)

    def _log_probs(self, texts: list[str]) -> Array:
        return self.fitted_.scores(self.feature_vectors(texts))

    def _bags(self, texts: list[str]) -> list[list[str]]:
        if self.pipeline_ is None:
            self.pipeline_ = Pipeline(Normalizer(lowercase=self.lowercase), make_tokenizer(self.tokenizer))
        return [terms(self.pipeline_, text, self.ngrams) for text in texts]

    def _index(self) -> None:
        self._columns = {word: i for i, word in enumerate(self.vocabulary_.words)}

    def _new_weigher(self) -> Any:
        """What turns counts into other features, not yet fitted; None where counts are the features."""
        if self.features == "tfidf":
            from sklearn.feature_extraction.text import TfidfTransformer

            return TfidfTransformer()
        if self.features == "lda":
            from sklearn.decomposition import LatentDirichletAllocation

            return LatentDirichletAllocation(self.topics, random_state=self.seed)
        return None

    def _new_model(self) -> Any:
        """The classifier, not yet fitted."""
        from sklearn import ensemble, linear_model, naive_bayes, svm, tree

        if self.model == "naive-bayes":
            return naive_bayes.MultinomialNB(alpha=self.alpha)
        if self.model == "tree":
            return tree.DecisionTreeClassifier(max_depth=self.max_depth, random_state=self.seed)
        if self.model == "forest":
            forest: Json = {"max_depth": self.max_depth, "random_state": self.seed, "n_jobs": self.threads}
            return ensemble.RandomForestClassifier(self.trees, **forest)
        penalty = _CS[self.model] if self.C is None else self.C
        if self.model == "svm":
            return svm.LinearSVC(C=penalty, max_iter=_ITERATIONS, random_state=self.seed)
        return linear_model.LogisticRegression(C=penalty, max_iter=_ITERATIONS, random_state=self.seed)

    def _state(self) -> tuple[Json, dict[str, Array]]:
        arrays = {f"fitted.{name}": array for name, array in self.fitted_.arrays().items()}
        if self.features == "tfidf":
            arrays["idf"] = self._weigher.idf_
        if self.features == "lda":
            arrays |= {"topics": self._weigher.components_, "topic_words": self._weigher.exp_dirichlet_component_}
        return {}, arrays

    def _restore(self, state: Json, arrays: dict[str, Array]) -> None:
        self._index()
        self._weigher = self._new_weigher()
        shape = (len(self.vocabulary_),) if self.features == "tfidf" else (self.topics, len(self.vocabulary_))
        if self._weigher is not None:
            self._weigher.n_features_in_ = shape[-1]
        for name, attribute in _WEIGHTS.get(self.features, {}).items():
            if name not in arrays or arrays[name].shape != shape:
                raise UsageError(f"its array {name!r} is missing or of another shape; train or copy the model again")
            setattr(self._weigher, attribute, np.array(arrays[name]))
        if self.features == "lda":
            self._weigher.doc_topic_prior_ = 1 / self.topics
        own = {name.removeprefix("fitted."): a for name, a in arrays.items() if name.startswith("fitted.")}
        self.fitted_ = fitted_from_arrays(own, self.topics if self.features == "lda" else shape[-1])


_WEIGHTS = {  # of fitted transformers: stored name → attribute
    "tfidf": {"idf": "idf_"},
    "lda": {"topics": "components_", "topic_words": "exp_dirichlet_component_"},
}
