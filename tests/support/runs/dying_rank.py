"""Run by torchrun like `adqhw.cli`, but the second rank is killed before the step $DIE_AT."""

import os
import signal

from adqhw.adq.training import trainer
from adqhw.cli import main


def descend(run, parts, lr, original=trainer.descend):
    if run.ranks.rank == 1 and run.step == int(os.environ["DIE_AT"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return original(run, parts, lr)


if __name__ == "__main__":
    trainer.descend = descend
    main()
