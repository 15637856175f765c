"""A program of its own, as lm_eval and what it imports are: it asks the harness's own models and prints their answers.

Reads a JSON list of {"model", "args", "method", "requests"} and writes the list of answers, one for each.
"""

import json
import logging
import sys


def main():
    import lm_eval.models  # noqa: F401  # registers them
    from lm_eval.api.instance import Instance
    from lm_eval.api.registry import get_model

    def answer(question):
        model = get_model(question["model"]).create_from_arg_obj(question["args"])
        requests = [Instance(question["method"], {}, tuple(args), i) for i, args in enumerate(question["requests"])]
        return getattr(model, question["method"])(requests, disable_tqdm=True)

    logging.disable(logging.WARNING)
    sys.stdout.write(json.dumps([answer(question) for question in json.load(sys.stdin)]))


if __name__ == "__main__":
    main()
