"""What a person takes home: a model as source, weights, ONNX and a card; a study as a table.

`remap_ray.export.bundle` writes a model, and loads torch; `remap_ray.export.table` a study, and
does without.
"""
