"""What ends a run early, without a run."""

from types import SimpleNamespace

from sketchkit.engine.hooks import StopEarlyHook


def told(hook, *scores):
    """Whether a run is to stop after these validations."""
    runner = SimpleNamespace(iter=0, train_loop=SimpleNamespace(stop_training=False))
    for score in scores:
        runner.iter += 1
        hook.after_val_epoch(runner, {f"val/{hook.by}": score})
    return runner.train_loop.stop_training


def test_a_validation_that_measures_no_number_is_never_the_best():
    assert not told(StopEarlyHook("l1", 2), 0.5, float("nan"), 0.4, float("nan"))
    assert not told(StopEarlyHook("l1", 2), float("nan"), 0.5, 0.6, 0.4)
    assert told(StopEarlyHook("l1", 2), 0.5, float("nan"), 0.6)


def test_hooks_of_several_scores_remember_their_own():
    lower, higher, state = StopEarlyHook("l1", 2), StopEarlyHook("ssim", 2), {}
    told(lower, 0.5, 0.6)
    told(higher, 0.5, 0.6)
    for hook in (lower, higher):
        hook.before_save_own_state(None, state)
    again = [StopEarlyHook("l1", 2), StopEarlyHook("ssim", 2)]
    for hook in again:
        hook.after_load_own_state(None, state)
    assert [told(hook, 0.55) for hook in again] == [True, False]
