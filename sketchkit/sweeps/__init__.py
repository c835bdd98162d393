"""Many runs of one config, compared."""
