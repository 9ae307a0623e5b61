"""What a person takes home: a model as source, weights, ONNX and a card; a study as a table."""

from remap_ray.export.bundle import Exported, export_model
from remap_ray.export.source import source
from remap_ray.export.table import export_predictions, export_table

__all__ = ["Exported", "export_model", "export_predictions", "export_table", "source"]
