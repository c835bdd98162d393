"""What `tools/gpu_report.py` does, step by step: `right_*` must hold, `cost_*` is measured."""
