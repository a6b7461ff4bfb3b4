"""Every finished run as a run of TensorBoard, in the folder that ``SYMDIFF_TENSORBOARD`` names; nothing without it."""

import os

from symdiff import MissingExtraError, hookimpl
from symdiff_mlflow.entries import metrics, parameters, tags

PLUGIN_API = 1

FOLDER = "SYMDIFF_TENSORBOARD"


@hookimpl
def symdiff_run_finished(result, run_dir):
    """Write scalars, and the configuration and verdict as text, under the name of the run's folder."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise MissingExtraError("tensorboard is not installed", "pip install 'symdiff-mlflow[tensorboard]'") from error
    with SummaryWriter(os.path.join(folder, run_dir.name)) as writer:
        for name, value in metrics(result).items():
            writer.add_scalar(name, value)
        for title, table in (("configuration", parameters(result)), ("verdict", tags(result))):
            writer.add_text(title, "\n".join(f"* {name}: {value}" for name, value in table.items()))
