"""A language model whose text is a function of its prompt, so that one request's answer cannot be another's."""

import numpy as np

from toy import EOS, toy_vocabulary

_STATES = 9973


class Following:
    """The state is a number made of all tokens read, in order; it says which token comes next, nearly for sure.

    calls: what was called, with the shape of what it was given. failing: raise at the call of that name.
    """

    scope = "stream"
    context_length = None

    def __init__(self, size=40):
        self.vocabulary, self.calls, self.failing = toy_vocabulary(size), [], None

    def start(self, batch):
        return np.full(batch, 1)

    def next(self, state):
        """The token after each state; the text ends sooner or later."""
        return np.where(state % 23 == 0, EOS, 3 + state % (len(self.vocabulary) - 3))

    def log_probs(self, state):
        self._note("log_probs", (len(state),))
        rows = np.full((len(state), len(self.vocabulary)), -50.0)
        rows[:, 1] = -np.inf
        rows[np.arange(len(state)), self.next(state)] = 0.0
        return rows

    def advance(self, state, tokens):
        self._note("advance", tokens.shape)
        for column in tokens.T:
            state = np.where(column < 0, state, (state * 31 + column + 7) % _STATES)
        return state

    def select(self, state, rows):
        return state[rows]

    def join(self, states):
        return np.concatenate(states)

    def token_log_probs(self, tokens, state=None):
        self._note("token_log_probs", tokens.shape)
        state = self.start(len(tokens)) if state is None else state
        scores = np.zeros(tokens.shape)
        for t, column in enumerate(tokens.T):
            scores[:, t] = np.where(column < 0, 0, np.where(column == self.next(state), 0.0, -50.0))
            state = np.where(column < 0, state, (state * 31 + column + 7) % _STATES)
        return scores, state

    def text(self, prompt, length):
        """What follows a prompt, in plain arithmetic."""
        number, found = 1, []
        for token in prompt:
            number = (number * 31 + token + 7) % _STATES
        while len(found) < length:
            found.append(EOS if number % 23 == 0 else 3 + number % (len(self.vocabulary) - 3))
            if found[-1] == EOS:
                break
            number = (number * 31 + found[-1] + 7) % _STATES
        return found

    def _note(self, name, shape):
        self.calls.append((name, *shape))
        if self.failing == name:
            self.failing = None
            raise MemoryError(f"no memory for {name}")
