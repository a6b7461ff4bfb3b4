"""Every finished run as a run of MLflow.

Where to is MLflow's own business: ``MLFLOW_TRACKING_URI`` and ``MLFLOW_EXPERIMENT_NAME``.
"""

from symdiff import MissingExtraError, hookimpl
from symdiff_mlflow.entries import metrics, parameters, tags

PLUGIN_API = 1

FILES = ("result.json", "report.html")
"""What is kept as artifacts; the trained weights stay in the run's folder."""


@hookimpl
def symdiff_run_finished(result, run_dir):
    """Log configuration, diagnostics, verdict and report; whatever goes wrong costs a warning, never the run."""
    try:
        import mlflow  # here: it takes seconds, and most commands finish no run
    except ModuleNotFoundError as error:
        raise MissingExtraError("mlflow is not installed", "pip install 'symdiff-mlflow[mlflow]'") from error
    with mlflow.start_run(run_name=run_dir.name):
        mlflow.log_params(parameters(result))
        mlflow.log_metrics(metrics(result))
        mlflow.set_tags({**tags(result), "run_dir": str(run_dir)})
        for name in FILES:
            if (run_dir / name).exists():
                mlflow.log_artifact(str(run_dir / name))
