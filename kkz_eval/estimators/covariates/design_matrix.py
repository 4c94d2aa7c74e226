"""Covariates as columns of a regression: a well-conditioned basis, what is collinear, many small systems at once."""

import numpy as np

from kkz_eval.estimators.result import BoolArray, FloatArray

DEPENDENT = 1e-9
SINGULAR = 1e-13


def basis(profiles: FloatArray) -> FloatArray:
    """(P, k+1) orthogonal columns of mean square one that span a constant and the covariates (P, k).

    Estimates and influence functions do not depend on the choice of basis, their rounding errors do.
    """
    columns = np.column_stack([np.ones(len(profiles)), profiles - profiles.mean(axis=0)])
    columns = columns / np.maximum(np.abs(columns).max(axis=0), np.finfo(np.float64).tiny)
    orthogonal, _ = np.linalg.qr(columns)
    scaled: FloatArray = orthogonal * np.sqrt(len(profiles)) * np.where(orthogonal[0, 0] < 0, -1.0, 1.0)
    return scaled


def first_dependent(profiles: FloatArray, weight: FloatArray) -> int | None:
    """Position of the first covariate that a constant and the covariates before it determine, or None.

    profiles (P, k); only profiles with a positive weight (P,) count.
    """
    x = profiles[weight > 0]
    if x.shape[1] and not len(x):
        return 0
    columns = np.zeros((max(len(x), x.shape[1] + 1), x.shape[1] + 1))  # zero rows change no dependence
    columns[: len(x), 0] = 1.0
    columns[: len(x), 1:] = x
    scale = np.abs(columns).max(axis=0)
    columns = columns / np.where(scale > 0, scale, 1.0)
    centred = columns.copy()
    centred[: len(x), 1:] -= columns[: len(x), 1:].mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    own = np.abs(np.diag(np.linalg.qr(centred / np.where(length > 0, length, 1.0), mode="r")))
    constant = length <= DEPENDENT * np.sqrt((columns**2).sum(axis=0))
    dependent = np.flatnonzero((own <= DEPENDENT) | constant)
    return int(dependent[0]) - 1 if len(dependent) else None


def moments(x: FloatArray, weight: FloatArray) -> FloatArray:
    """X'diag(weight)X, (…, k, k), for X (P, k) and weights (…, P)."""
    product: FloatArray = np.matmul(np.swapaxes(x[None] * weight.reshape(-1, len(x), 1), 1, 2), x)
    return product.reshape(*weight.shape[:-1], x.shape[1], x.shape[1])


def inverse(matrix: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Inverses (…, k, k) of symmetric matrices, and (…) which are regular; identity where they are not."""
    size = matrix.shape[-1]
    values = np.linalg.eigvalsh(np.where(np.isfinite(matrix), matrix, 0.0))
    regular: BoolArray = (values[..., -1] > 0) & (values[..., 0] > SINGULAR * values[..., -1])
    inverted: FloatArray = np.linalg.inv(np.where(regular[..., None, None], matrix, np.eye(size)))
    return inverted, regular


def pseudo_inverse(matrix: FloatArray) -> FloatArray:
    """Inverses (…, k, k) of symmetric matrices within the directions that carry information, zero in the others."""
    values, vectors = np.linalg.eigh(matrix)
    informative = values > SINGULAR * np.maximum(values[..., -1:], np.finfo(np.float64).tiny)
    reciprocal = np.divide(1.0, values, out=np.zeros_like(values), where=informative)
    inverted: FloatArray = np.matmul(vectors * reciprocal[..., None, :], np.swapaxes(vectors, -1, -2))
    return inverted


def times(matrix: FloatArray, vector: FloatArray) -> FloatArray:
    """Products (…, k) of matrices (…, k, k) with vectors (…, k)."""
    product: FloatArray = np.matmul(matrix, vector[..., None])[..., 0]
    return product
