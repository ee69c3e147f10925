"""TensorBoard: content of the event files."""

import pytest
from tensorboard.backend.event_processing import event_accumulator
from tiny_runs import Stop, StopAt, tiny

from adqhw.adq.training import trainer


def test_scalars_and_codebooks_are_in_the_event_files(tmp_path):
    trainer.train(tiny("digits_resnet8_float"), tmp_path / "float")
    init = tmp_path / "float" / "checkpoint.safetensors"
    recipe = tiny("digits_resnet8_adq", "train.tensorboard=true", "train.checkpoint_steps=9")
    with pytest.raises(Stop):  # step 6 was shown already, and comes again after step 4
        trainer.train(recipe, tmp_path / "adq", init=init, observer=StopAt(7))
    result = trainer.train(recipe, tmp_path / "adq", existing="resume")
    everything = {event_accumulator.SCALARS: 0, event_accumulator.HISTOGRAMS: 0}
    folder = str(tmp_path / "adq" / "tensorboard")
    events = event_accumulator.EventAccumulator(folder, size_guidance=everything)
    events.Reload()
    assert [e.step for e in events.Scalars("train/loss")] == [2, 4, 6, 8]
    top1 = events.Scalars("validation/top1")
    assert [e.step for e in top1] == [4, 8]
    assert 0 < result["validation_top1"] <= 100
    book = events.Histograms("codebook/layer1.0.conv1")
    assert [e.step for e in book] == [4, 8]
    assert book[-1].histogram_value.num == 16  # values of a 4-bit codebook
    used = events.Histograms("weights/layer1.0.conv1")[-1].histogram_value
    assert used.num == 4 * 4 * 9
    assert used.max <= book[-1].histogram_value.max
