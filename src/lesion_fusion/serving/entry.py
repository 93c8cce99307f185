"""What MLflow runs to build the served model: code from this package, so that no pickle is loaded."""

from mlflow.models import set_model

from lesion_fusion.serving.served_model import ServedModel

set_model(ServedModel())
