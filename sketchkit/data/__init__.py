"""Files to samples: data sets, transforms and samplers."""
