"""Many runs as one tensor program: parameters, buffers and hyper-parameters stacked along a first dimension.

No Lightning, no Hydra.
"""
