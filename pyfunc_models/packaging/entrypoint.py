"""Models-from-code script of a classifier; packaging writes in the model's own wrapper and kind."""

from mlflow.models import set_model

from pyfunc_models.kinds.classifier import MODEL

set_model(MODEL())
