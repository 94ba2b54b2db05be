"""Makes laplace_torch.json: Laplace posteriors of small networks in double precision, from laplace-torch where it has
the same quantity, and from explicit Jacobians and dense matrices everywhere. README.md explains what is in the file.

    python3 -m venv V && V/bin/pip install torch==2.13.0 laplace-torch==0.3 backpack-for-pytorch asdfghjkl \\
      "curvlinops-for-pytorch==3.0.1" && V/bin/python laplace_torch.py > laplace_torch.json

Says on stderr how well the two sources agree, and ends with an error if they do not.
"""

import copy
import importlib.metadata
import json
import math
import sys
import warnings

import torch
from torch.func import functional_call, jacrev, vmap

warnings.filterwarnings("ignore")
import laplace.curvature  # noqa: E402
from curvlinops import KFACLinearOperator  # noqa: E402
from curvlinops.kfac import FisherType  # noqa: E402
from laplace import Laplace  # noqa: E402

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

PRIOR = 0.7
#: One precision a layer, for the evidence under a prior that differs between layers.
LAYER_PRIORS = [0.4, 1.5, 3.0]
#: Of the largest entry. Both sources are double precision; condition numbers of the posterior precisions are below 1e5.
TOLERANCE = 1e-10

agreement = {}


def agree(what, ours, theirs):
    """Compares the two sources, and gives back the explicit one."""
    error = ((ours - theirs).abs().max() / ours.abs().max().clamp(min=1e-300)).item()
    agreement[what] = max(agreement.get(what, 0.0), error)
    return ours


# --- Networks and data -----------------------------------------------------------------------------


class Network(torch.nn.Sequential):
    def __init__(self, sizes):
        parts = []
        for inputs, units in zip(sizes, sizes[1:]):
            parts += [torch.nn.Linear(inputs, units), torch.nn.Tanh()]
        super().__init__(*parts[:-1])


class LogOdds(torch.nn.Module):
    """A Bernoulli network as laplace-torch can take it: two classes with logits (0, f), the same distribution."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        f = self.network(x)
        return torch.cat([torch.zeros_like(f), f], dim=1)


def data(sizes, likelihood, noise, rows, generator):
    """Inputs (6 decimals, so that the file has them exactly), and targets drawn from a random network."""
    torch.manual_seed(generator.initial_seed())
    teacher = Network(sizes)
    x = torch.randn(rows + 5, sizes[0], generator=generator).mul(1e6).round().div(1e6)
    f = 2.5 * teacher(x[:rows]).detach()
    if likelihood == "gaussian":
        y = (f + noise * torch.randn(f.shape, generator=generator)).mul(1e6).round().div(1e6)
    elif likelihood == "categorical":
        y = torch.multinomial(f.softmax(1), 1, generator=generator)[:, 0]
    elif likelihood == "bernoulli":
        y = torch.bernoulli(f.sigmoid(), generator=generator)
    else:
        y = torch.poisson(f.exp(), generator=generator)
    return x[:rows], y, x[rows:]


def log_density(likelihood, noise, f, y):
    """log p(y|f) of one row, normalised."""
    if likelihood == "gaussian":
        return -0.5 * ((y - f) / noise).square().sum() - len(f) * math.log(noise * math.sqrt(2 * math.pi))
    if likelihood == "categorical":
        return f.log_softmax(0)[y]
    if likelihood == "bernoulli":
        return (y * torch.nn.functional.logsigmoid(f) + (1 - y) * torch.nn.functional.logsigmoid(-f)).sum()
    return (y * f - f.exp() - torch.lgamma(y + 1)).sum()


# --- Explicit side: Jacobians of torch.func, everything else dense ---------------------------------


class Explicit:
    def __init__(self, network, sizes, likelihood, noise, x, y):
        self.network, self.sizes, self.likelihood, self.noise, self.x, self.y = network, sizes, likelihood, noise, x, y
        self.parameters = {name: p.detach() for name, p in network.named_parameters()}
        self.theta = torch.cat([p.reshape(-1) for p in self.parameters.values()])
        self.layers = list(zip(sizes, sizes[1:]))
        self.counts = [o * (i + 1) for i, o in self.layers]
        self.f = network(x).detach()
        self.log_likelihood = vmap(lambda f, y: log_density(likelihood, noise, f, y))(self.f, y).sum()
        # −∇²log p(y|f) at y itself: all four likelihoods have canonical links, so that it does not depend on y.
        self.h = vmap(
            lambda f, y: -torch.func.hessian(lambda f: log_density(likelihood, noise, f, y))(f)
        )(self.f, y)

    def outputs(self, parameters, x):
        return functional_call(self.network, parameters, (x[None],))[0]

    def jacobian(self, x):
        """rows × outputs × P, in the order of θ."""
        parts = vmap(lambda row: jacrev(lambda p: self.outputs(p, row))(self.parameters))(x)
        return torch.cat([part.reshape(*part.shape[:2], -1) for part in parts.values()], dim=2)

    def gauss_newton(self):
        j = self.jacobian(self.x)
        return torch.einsum("ncp,ncd,ndq->pq", j, self.h, j)

    def kronecker_factors(self):
        """A = Σ x̃x̃ᵀ with x̃ = [x, 1], and G = (1/N) Σ JᵀHJ with J the outputs' derivatives by the pre-activations."""
        zeros = [torch.zeros(o) for _, o in self.layers]

        def forward(shifts, x):
            inputs = []
            for k, shift in enumerate(shifts):
                w, b = (self.parameters[name] for name in list(self.parameters)[2 * k: 2 * k + 2])
                inputs.append(x)
                x = w @ x + b + shift
                x = x.tanh() if k + 1 < len(shifts) else x
            return x, inputs

        deltas, inputs = vmap(lambda x: jacrev(lambda s: forward(s, x), has_aux=True)(zeros))(self.x)
        factors = []
        for a, d in zip(inputs, deltas):
            a = torch.cat([a, torch.ones(len(a), 1)], dim=1)
            factors.append((a.T @ a, torch.einsum("nco,ncd,ndp->op", d, self.h, d) / len(a)))
        return factors

    def kronecker_block(self, a, g):
        """G ⊗ A, from rows of [W b] into the order of θ: all weights, then the biases."""
        outputs, inputs = len(g), len(a) - 1
        places = torch.arange(outputs * (inputs + 1)).reshape(outputs, inputs + 1)
        order = torch.cat([places[:, :inputs].reshape(-1), places[:, inputs]])
        return torch.kron(g.contiguous(), a.contiguous())[order][:, order]

    def layer(self, k):
        start = sum(self.counts[:k])
        return slice(start, start + self.counts[k])


def bridge(mean, covariance, normalised):
    """Class probabilities by the Laplace bridge (Hobbhahn, Kristiadi and Hennig 2022, equations 6 to 9): the Gaussian
    conditioned on logits that sum to zero, then a Dirichlet of matching moments."""
    k = len(mean)
    ones = covariance.sum(1)
    total = ones.sum()
    mean = mean - ones * mean.sum() / total
    variance = (covariance - torch.outer(ones, ones) / total).diagonal()
    if normalised:
        scale = variance.mean() / math.sqrt(k / 2)
        mean, variance = mean / scale.sqrt(), variance / scale
    alpha = (1 - 2 / k + mean.exp() / k**2 * (-mean).exp().sum()) / variance
    return alpha / alpha.sum()


# --- Both sides, one case --------------------------------------------------------------------------


def lower(block):
    return [row[: i + 1].tolist() for i, row in enumerate(block)]


class Loader(list):
    def __init__(self, x, y):
        super().__init__([(x, y)])
        self.dataset = x


class Case:
    def __init__(self, name, sizes, likelihood, noise, rows, seed):
        generator = torch.Generator().manual_seed(seed)
        self.name, self.sizes, self.likelihood, self.noise = name, sizes, likelihood, noise
        self.x, self.y, self.test = data(sizes, likelihood, noise, rows, generator)
        self.network = Network(sizes)
        self.gradient_norm = self.optimise()
        self.explicit = Explicit(self.network, sizes, likelihood, noise, self.x, self.y)

    def optimise(self):
        """To a stationary point of the log posterior, by L-BFGS and then Newton's method on the exact Hessian."""
        def loss(theta):
            parts, start = {}, 0
            for name, p in self.network.named_parameters():
                parts[name] = theta[start: start + p.numel()].reshape(p.shape)
                start += p.numel()
            f = functional_call(self.network, parts, (self.x,))
            fit = vmap(lambda f, y: log_density(self.likelihood, self.noise, f, y))(f, self.y).sum()
            return -fit + 0.5 * PRIOR * theta.square().sum()

        theta = torch.nn.utils.parameters_to_vector(self.network.parameters()).detach().requires_grad_()
        optimiser = torch.optim.LBFGS(
            [theta], max_iter=5000, tolerance_grad=1e-9, tolerance_change=0, line_search_fn="strong_wolfe")

        def closure():
            optimiser.zero_grad()
            value = loss(theta)
            value.backward()
            return value

        optimiser.step(closure)
        theta = theta.detach()
        for _ in range(3):
            theta = theta - torch.linalg.solve(torch.func.hessian(loss)(theta), torch.func.grad(loss)(theta))
        torch.nn.utils.vector_to_parameters(theta, self.network.parameters())
        return torch.func.grad(loss)(theta).norm().item()

    def laplace(self, subset, structure, backend="CurvlinopsGGN", prior=PRIOR):
        """laplace-torch's posterior, or None for a likelihood that it does not have."""
        if self.likelihood == "poisson":
            return None
        bernoulli = self.likelihood == "bernoulli"
        if bernoulli and (subset == "last_layer" or backend == "BackPackGGN"):
            return None
        settings = {"sigma_noise": self.noise} if self.likelihood == "gaussian" else {}
        network = copy.deepcopy(self.network)  # BackPACK leaves hooks behind
        result = Laplace(
            LogOdds(network) if bernoulli else network,
            "regression" if self.likelihood == "gaussian" else "classification",
            subset_of_weights=subset, hessian_structure=structure, prior_precision=prior,
            backend=getattr(laplace.curvature, backend), **settings)
        result.fit(Loader(self.x, self.y[:, 0].long() if bernoulli else self.y))
        return result

    def moments(self, theirs):
        mean, covariance = theirs._glm_predictive_distribution(self.test)
        if self.likelihood == "bernoulli":
            mean, covariance = mean[:, 1:], covariance[:, 1:, 1:]
        return mean, covariance

    def posterior(self, structure, blocks, last=False, theirs=None, check=None):
        """Everything that follows from the curvature `blocks`, one a layer (or one for all)."""
        e = self.explicit
        where = f"{self.name}, {structure}{', last layer' if last else ''}"
        precision = torch.block_diag(*blocks)
        p = len(precision)
        theta = e.theta[-p:]
        covariance = torch.linalg.inv(precision + PRIOR * torch.eye(p))
        j = e.jacobian(self.test)[:, :, -p:]
        functional = torch.einsum("ncp,pq,ndq->ncd", j, covariance, j)
        mean = self.network(self.test).detach()

        def evidence(prior):
            return e.log_likelihood - 0.5 * (
                torch.logdet(precision + prior.diag()) - prior.log().sum() + (prior * theta.square()).sum())

        scalar = torch.full((p,), PRIOR)
        layers = [len(e.counts) - 1] if last else range(len(e.counts))
        separate = torch.cat([torch.full((e.counts[k],), LAYER_PRIORS[k]) for k in layers])
        effective = 1 - PRIOR * covariance.diagonal()
        result = {
            "structure": structure,
            "layers": "last" if last else "all",
            "precision": [lower(block + PRIOR * torch.eye(len(block))) for block in blocks],
            "log_determinant": torch.logdet(precision + scalar.diag()).item(),
            "marginal_variances": covariance.diagonal().tolist(),
            "functional_covariances": functional.tolist(),
            "log_marginal_likelihood": evidence(scalar).item(),
            "log_marginal_likelihood_layers": evidence(separate).item(),
            "effective_weights": [part.sum().item() for part in effective.split([e.counts[k] for k in layers])],
        }
        if self.likelihood in ("categorical", "bernoulli"):
            logits = mean if self.likelihood == "categorical" else torch.cat([torch.zeros_like(mean), mean], 1)
            variances = functional.diagonal(dim1=1, dim2=2)
            if self.likelihood == "bernoulli":
                variances = torch.cat([torch.zeros_like(mean), variances], 1)
            probit = (logits / (1 + math.pi / 8 * variances).sqrt()).softmax(1)
            result["class_probabilities"] = {"probit": probit.tolist()}
            if self.likelihood == "categorical":
                for name, normalised in [("bridge", False), ("bridge_norm", True)]:
                    values = torch.stack([bridge(m, c, normalised) for m, c in zip(mean, functional)])
                    result["class_probabilities"][name] = values.tolist()
                    if theirs:
                        agree(f"{where}: {name}", values, theirs(self.test, pred_type="glm", link_approx=name))
            if theirs:
                agree(f"{where}: probit", probit, theirs(self.test, pred_type="glm", link_approx="probit"))
        if theirs:
            check(result, theirs, precision + scalar.diag())
            their_mean, their_covariance = self.moments(theirs)
            agree(f"{where}: mean", mean, their_mean)
            agree(f"{where}: functional covariance", functional, their_covariance)
            agree(f"{where}: evidence", evidence(scalar), theirs.log_marginal_likelihood())
            agree(f"{where}: log determinant", torch.logdet(precision + scalar.diag()),
                  theirs.log_det_posterior_precision)
            # A precision a layer is one a parameter tensor there (weights, then biases); of a last layer, one in all.
            prior = torch.tensor([LAYER_PRIORS[k] for k in layers for _ in range(1 if last else 2)])
            agree(f"{where}: evidence, a precision a layer", evidence(separate),
                  theirs.log_marginal_likelihood(prior_precision=prior))
        result["source"] = "laplace-torch and explicit" if theirs else "explicit"
        return result

    def posteriors(self):
        e = self.explicit
        ggn = e.gauss_newton()

        def matrix(name):
            def check(_, theirs, precision):
                value = theirs.posterior_precision
                value = value if torch.is_tensor(value) else value.to_matrix()
                value = value.diag() if value.dim() == 1 else value
                agree(f"{self.name}, {name}: precision", precision, value)
            return check

        yield self.posterior("full", [ggn], theirs=self.laplace("all", "full"), check=matrix("full"))
        yield self.posterior("block", [ggn[e.layer(k), e.layer(k)] for k in range(len(e.counts))])

        factors = e.kronecker_factors()
        joint = [e.kronecker_block(a, g) for a, g in factors]
        result = self.posterior("kronecker", joint)
        if self.likelihood in ("gaussian", "categorical"):
            for k, (a, g) in enumerate(self.curvlinops_factors()):
                agree(f"{self.name}, kronecker of curvlinops: factors", joint[k], e.kronecker_block(a, g))
            result["source"] = "curvlinops and explicit"
        yield result

        separate = []
        for (a, g), block in zip(factors, joint):
            weights = len(g) * (len(a) - 1)
            separate.append(torch.block_diag(block[:weights, :weights], block[weights:, weights:]))
        yield self.posterior("kronecker-separate-bias", separate, theirs=self.laplace("all", "kron"),
                             check=matrix("kronecker, bias apart"))
        backpack = self.laplace("all", "kron", "BackPackGGN")
        if backpack:
            agree(f"{self.name}, kronecker, bias apart, BackPACK: precision",
                  torch.block_diag(*separate) + PRIOR * torch.eye(len(ggn)), backpack.posterior_precision.to_matrix())

        yield self.posterior("diagonal", list(ggn.diagonal()[:, None, None]), theirs=self.laplace("all", "diag"),
                             check=matrix("diagonal"))
        k = len(e.counts) - 1
        yield self.posterior("full", [ggn[e.layer(k), e.layer(k)]], last=True,
                             theirs=self.laplace("last_layer", "full"), check=matrix("last layer"))
        yield self.posterior("kronecker", joint[-1:], last=True)
        yield self.posterior("diagonal", list(ggn[e.layer(k), e.layer(k)].diagonal()[:, None, None]), last=True,
                             theirs=self.laplace("last_layer", "diag"), check=matrix("last layer, diagonal"))

    def curvlinops_factors(self):
        """curvlinops' Kronecker factors with the bias inside (laplace-torch always asks for them apart)."""
        gaussian = self.likelihood == "gaussian"
        loss = torch.nn.MSELoss(reduction="sum") if gaussian else torch.nn.CrossEntropyLoss(reduction="sum")
        operator = KFACLinearOperator(
            self.network, loss, list(self.network.parameters()), [(self.x, self.y)], fisher_type=FisherType.TYPE2,
            separate_weight_and_bias=False, check_deterministic=False)
        operator.compute_kronecker_factors()
        # Σ (y − f)² is 2σ² of the negative log density; A is a mean over rows there and G a sum.
        scale = 0.5 / self.noise**2 if gaussian else 1.0
        for name, a in operator._input_covariances.items():
            yield a, scale * operator._gradient_covariances[name]

    def record(self):
        e = self.explicit
        result = {
            "name": self.name, "sizes": self.sizes, "activation": "tanh", "likelihood": self.likelihood,
            "noise": self.noise, "theta": e.theta.tolist(), "x": self.x.tolist(), "y": self.y.tolist(),
            "test_x": self.test.tolist(), "gradient_norm": self.gradient_norm, "mean": self.network(self.test).tolist(),
            "log_likelihood": e.log_likelihood.item(),
            "kronecker_factors": [{"inputs": lower(a), "outputs": lower(g)} for a, g in e.kronecker_factors()],
            "posteriors": list(self.posteriors()),
        }
        for posterior in result["posteriors"]:
            if posterior["structure"] == "diagonal":
                posterior["precision"] = [block[0][0] for block in posterior["precision"]]
            elif posterior["structure"] != "full":
                del posterior["precision"]  # blocks of the full one, or the factors' product
            else:
                posterior["precision"] = posterior["precision"][0]
        return result


cases = [
    Case("regression 3-5-1", [3, 5, 1], "gaussian", 0.3, 25, seed=11),
    Case("two targets 2-4-2", [2, 4, 2], "gaussian", 0.5, 20, seed=12),
    Case("three classes 3-6-4-3", [3, 6, 4, 3], "categorical", None, 30, seed=13),
    Case("Bernoulli 4-5-1", [4, 5, 1], "bernoulli", None, 30, seed=14),
    Case("Poisson 3-4-1", [3, 4, 1], "poisson", None, 25, seed=15),
]
records = [case.record() for case in cases]
for what, error in agreement.items():
    print(f"{error:.1e}  {what}", file=sys.stderr)
worst = max(agreement, key=agreement.get)
print(f"{len(agreement)} comparisons, the worst {agreement[worst]:.1e}: {worst}", file=sys.stderr)
if agreement[worst] > TOLERANCE:
    sys.exit("the sources disagree")
print(json.dumps({
    "versions": {
        name: importlib.metadata.version(name)
        for name in ("torch", "laplace-torch", "curvlinops-for-pytorch", "backpack-for-pytorch")
    },
    "prior_precision": PRIOR,
    "layer_prior_precisions": LAYER_PRIORS,
    "agreement": {"comparisons": len(agreement), "largest_relative_difference": agreement[worst]},
    "networks": records,
}, allow_nan=False))
