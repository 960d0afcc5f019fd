"""`weights.fit` against other people's programs on the same data: R's glmnet with lower limits, scikit-learn and statsmodels, to 1e-6.

The golden numbers were made by R 4.2.2 and glmnet 4.1-6 (Friedman, Hastie & Tibshirani 2010, doi:10.18637/jss.v033.i01) with ::

    library(glmnet)
    glmnet.control(epsnr = 1e-14, mxitnr = 1000)
    i <- 0:119
    x <- cbind((i * 37) %% 101, (i * 53 + 11) %% 97, (i * 29 + 5) %% 89, (i * 71 + 3) %% 83) / 100
    y <- as.integer(strsplit(LOST, "")[[1]])                       # the string LOST of this file
    for (ridge in c(0, 0.02, 2)) {                                 # ours is a penalty on the sum of losses, glmnet's on their mean
      lambda <- ridge / length(y)
      path <- if (ridge == 0) 0 else c(100 * lambda, 10 * lambda, lambda)
      m <- glmnet(-x, y, family = "binomial", alpha = 0, lambda = path, lower.limits = 0, standardize = FALSE, thresh = 1e-14, maxit = 1e7)
      cat(sprintf("%.12f", as.numeric(coef(m, s = lambda))), "\\n")
    }
    cat(sprintf("%.12f", coef(glm(y ~ I(-x[, 1:2]), family = binomial, control = list(epsilon = 1e-15, maxit = 100)))), "\\n")

Free of limits the third and fourth slope are -0.26 and -1.86, so two of the four limits bind.
"""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression

from healthlib import weights
from healthlib.weights import Problem, fit

LOST = "101010100101010101000010101010000001010101000000101010000001010100000001101000101010010100010100001111101000000111010001"
N = np.arange(120)
X = np.column_stack([(N * 37) % 101, (N * 53 + 11) % 97, (N * 29 + 5) % 89, (N * 71 + 3) % 83]) / 100
Y = np.array([int(one) for one in LOST])

GLMNET = {
    0.0: (0.808898691617, 2.857056060974, 0.073171735525, 0.0, 0.0),
    0.02: (0.794620921869, 2.825137742187, 0.072229964315, 0.0, 0.0),
    2.0: (0.151433975517, 1.424732396586, 0.037013968594, 0.0, 0.0),
}
"""Ridge -> intercept and slopes, healthy metrics being those that lower the loss."""
GLM = (0.808898691648, 2.857056061041, 0.073171735529)
"""R's `glm` on the first two metrics alone, where no limit binds."""


def problem(columns: int) -> Problem:
    return Problem(tuple("abcd")[:columns], X[:, :columns], np.full(columns, 1 / columns), np.eye(columns))


def fitted(columns: int, ridge: float, patch: pytest.MonkeyPatch) -> np.ndarray:
    patch.setattr(weights, "RIDGE", ridge)
    found = fit(problem(columns), Y, strength=0.0, tolerance=1e-12)
    return np.r_[found.intercept, found.slopes]


def test_the_data_are_those_of_the_r_session() -> None:
    assert (len(LOST), int(Y.sum())) == (120, 44)
    assert X[:2].tolist() == [[0.0, 0.11, 0.05, 0.03], [0.37, 0.64, 0.34, 0.74]]


@pytest.mark.parametrize("ridge", GLMNET)
def test_with_limits_that_bind_it_is_r_glmnet_with_lower_limits(ridge: float, monkeypatch: pytest.MonkeyPatch) -> None:
    np.testing.assert_allclose(fitted(4, ridge, monkeypatch), GLMNET[ridge], rtol=0, atol=1e-6)


def test_where_no_limit_binds_it_is_r_glm_and_statsmodels_logit(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = fitted(2, 0.0, monkeypatch)
    np.testing.assert_allclose(ours, GLM, rtol=0, atol=1e-6)
    theirs = sm.Logit(Y, sm.add_constant(-X[:, :2])).fit(disp=0, tol=1e-14).params
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("ridge", [0.0, 0.02, 2.0])
def test_where_no_limit_binds_it_is_scikit_learn_with_the_same_ridge(ridge: float, monkeypatch: pytest.MonkeyPatch) -> None:
    model = LogisticRegression(C=1 / ridge if ridge else np.inf, solver="newton-cholesky", tol=1e-14, max_iter=500).fit(-X[:, :2], Y)
    np.testing.assert_allclose(fitted(2, ridge, monkeypatch), np.r_[model.intercept_, model.coef_[0]], rtol=0, atol=1e-6)


def test_free_of_limits_two_slopes_would_be_negative() -> None:
    """Otherwise the test against glmnet with lower limits would not test them."""
    assert (sm.Logit(Y, sm.add_constant(-X)).fit(disp=0).params[3:] < -0.2).all()
