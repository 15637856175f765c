"""The same questions to KenLM's module and to ours; as a program it answers one JSON object a line with KenLM's.

It is run by an interpreter that has kenlm and need not have anything else.
"""

import copy
import json
import sys


def full(kenlm, path, sentence, bos=True, eos=True):
    """Scores of one sentence in every way."""
    model = _open(kenlm, path)
    answer = {"full": [list(word) for word in model.full_scores(sentence, bos, eos)], "order": model.order}
    answer["score"] = model.score(sentence, bos=bos, eos=eos)
    if bos and eos:
        answer["perplexity"] = model.perplexity(sentence)
    return answer


def walk(kenlm, path, words, bos):
    """Word by word from the beginning of a sentence, or from nothing; and which states are equal to which."""
    model = _open(kenlm, path)
    state, steps, states = kenlm.State(), [], []
    (model.BeginSentenceWrite if bos else model.NullContextWrite)(state)
    for word in words:
        after, again = kenlm.State(), kenlm.State()
        prob = model.BaseScore(state, word, after)
        found = model.BaseFullScore(state, word, again)
        assert after == again and hash(after) == hash(again)
        assert copy.copy(after) == after and repr(found).startswith("FullScoreReturn(")
        steps.append([prob, found.log_prob, found.ngram_length, found.oov, repr(found), word in model])
        states.append(after)
        state = after
    states += [kenlm.State(), kenlm.State()]
    model.BeginSentenceWrite(states[-1])
    equal = [min(j for j in range(len(states)) if states[j] == one) for one in states]
    return {"steps": steps, "equal": equal, "kept": len(set(map(hash, states))), "distinct": len(set(equal))}


def failure(kenlm, path, what):
    """What goes wrong, by name and words. ``what``: an expression of ``kenlm``, ``model``, ``state`` and ``path``."""
    names = {"kenlm": kenlm, "model": _open(kenlm, path) if path else None, "state": kenlm.State(), "path": path}
    try:
        return {"value": repr(eval(what, names))}
    except Exception as error:
        return {"error": [type(error).__name__, str(error)]}


_models = {}


def _open(kenlm, path):
    if (kenlm, path) not in _models:
        config = kenlm.Config()
        config.show_progress = False
        config.arpa_complain = kenlm.ARPALoadComplain.NONE
        _models[kenlm, path] = kenlm.Model(path, config)
    return _models[kenlm, path]


QUESTIONS = {"full": full, "walk": walk, "failure": failure}

if __name__ == "__main__":
    import kenlm

    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(QUESTIONS[question.pop("ask")](kenlm, **question)), flush=True)
