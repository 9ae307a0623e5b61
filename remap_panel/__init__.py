"""Every way a person touches REMAP."""
