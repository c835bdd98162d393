"""One value of a shipped config exchanged for another: refused in a line, or it trains."""

import random
from collections import Counter

import pytest

from tests import mutations

pytestmark = pytest.mark.slow

SEED, COUNT, TRAINED = 11, 2000, 30


@pytest.fixture(scope="module")
def judged(setting):
    """(what, key, line or None, config or None) of every mutation."""
    configs, results = mutations.bases(setting), []
    for name, key, value in mutations.mutations(configs, SEED, COUNT):
        made = []
        line = mutations.refusal(lambda: made.append(mutations.resolved(configs[name], key, value)))  # noqa: B023
        results.append((f"{name} {key}={value!r}", key, line, made[0] if made else None))
    return results


def test_most_are_refused_in_a_line_that_names_the_key(judged):
    refused = [(what, key, line) for what, key, line, _ in judged if line is not None]
    # Of the others most are what a person may well mean.
    assert 0.8 * COUNT < len(refused) < 0.97 * COUNT
    # Where a value is taken from the top level the line names it there, or the place that it is taken to.
    unnamed = [what for what, key, line in refused if key.split(".")[0] not in line and "$" not in line]
    assert len(unnamed) < 0.05 * COUNT, unnamed[:10]


def test_what_is_not_refused_trains_or_is_refused_before(judged, tmp_path):
    accepted = [(what, config) for what, _, line, config in judged if line is None]
    counts = Counter()
    for number, (what, config) in enumerate(random.Random(SEED).sample(accepted, TRAINED)):
        try:
            line = mutations.refusal(lambda: mutations.use(config, tmp_path / str(number)))  # noqa: B023
        except Exception as error:
            raise AssertionError(what) from error
        counts["refused" if line else "trained"] += 1
    assert counts["trained"] > TRAINED / 3
